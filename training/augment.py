"""Augmentation of a whole batch as tensors: no worker processes, no decoding while training.

Every transform draws its random numbers from the generator that it is given, so an epoch that is
resumed sees what it would have seen. What is costly runs only on the images that it is drawn for.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from training.jpeg import compress

Generator = torch.Generator


def augment(images: Tensor, strength: float | Tensor, generator: Generator) -> Tensor:
    """Make other views of images, between clean benchmark pictures and photos taken at home.

    Flip, shift, scale, rotate, perspective; another background, colours, grey, negative, contrast;
    blur, sharpen, few pixels, JPEG; erase.

    Args:
        images: uint8 `[N, 3, S, S]`.
        strength: 0 leaves an image as it is, 1 is the most; a number for all or float `[N]`. It
            scales every range and every probability below.
        generator: where the random numbers come from, on the images' device.

    Returns:
        uint8 `[N, 3, S, S]`.
    """
    n, device = len(images), images.device
    if isinstance(strength, float | int):
        strength = torch.full((n,), float(strength), device=device)
    if not bool((strength > 0).any()):
        return images
    batch = _geometry(images.float(), strength, generator)
    for transform, share in (
        (_background, 0.3),
        (_colour, 0.8),
        (_grey, 0.15),
        (_negative, 0.12),
        (_contrast, 1.0),
        (_blur_or_sharpen, 0.35),
        (_few_pixels, 0.15),
        (_jpeg, 0.2),
        (_erase, 0.5),
    ):
        chosen = (_rand(n, generator) < share * strength).nonzero()[:, 0]
        if len(chosen):
            batch[chosen] = transform(batch[chosen], strength[chosen], generator)
    batch = batch.round().clamp(0, 255).to(torch.uint8)
    untouched = strength <= 0
    return torch.where(_per_image(untouched), images, batch) if bool(untouched.any()) else batch


def _rand(shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _uniform(n: int, low: float, high: float, generator: Generator) -> Tensor:
    return _rand(n, generator) * (high - low) + low


def _per_image(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)


def _geometry(batch: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """One resampling for all, at most: mirrored, 20 degrees, 35 % in scale, 15 % in aspect."""
    n, size = len(batch), batch.shape[-1]
    mirror = torch.where(_rand(n, generator) < 0.5, -1.0, 1.0)
    angle = _uniform(n, -1, 1, generator) * math.radians(20) * strength
    zoom = torch.exp(_uniform(n, -1, 1, generator) * torch.log1p(0.35 * strength))
    stretch = torch.exp(_uniform(n, -1, 1, generator) * torch.log1p(0.15 * strength))
    shift = (_rand((n, 2), generator) * 2 - 1) * 0.24 * strength[:, None]
    tilt = (_rand((n, 2), generator) * 2 - 1) * 0.2 * strength[:, None]
    # The matrix maps places of the output to places of the input, both from -1 to 1.
    cos, sin = torch.cos(angle), torch.sin(angle)
    scale_x, scale_y = zoom * stretch, zoom / stretch
    one = torch.ones_like(cos)
    matrix = torch.stack(
        [
            torch.stack([cos * scale_x * mirror, -sin * scale_y, shift[:, 0]], dim=1),
            torch.stack([sin * scale_x * mirror, cos * scale_y, shift[:, 1]], dim=1),
            torch.stack([tilt[:, 0], tilt[:, 1], one], dim=1),
        ],
        dim=1,
    )
    place = (torch.arange(size, device=batch.device) * 2 + 1) / size - 1
    points = torch.stack(
        [place.repeat(size), place.repeat_interleave(size), torch.ones_like(place).repeat(size)]
    )
    places = (matrix @ points).transpose(1, 2)
    grid = (places[..., :2] / places[..., 2:]).reshape(n, size, size, 2)
    # Border: what comes in from outside has the colour of the edge, as the letterbox has.
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def _background(batch: Tensor, _strength: Tensor, generator: Generator) -> Tensor:
    """Another colour, fading to a second one, for what has the colour of the image's border."""
    n, size = len(batch), batch.shape[-1]
    edge = torch.cat([batch[:, :, 0], batch[:, :, -1], batch[..., 0], batch[..., -1]], dim=2)
    border = edge.median(dim=2)[0].reshape(n, 3, 1, 1)
    near = ((batch - border).abs().amax(dim=1, keepdim=True) < 14).float()
    # Soft at the rim, so that no hard outline gives the trick away.
    near = F.avg_pool2d(near, 3, 1, 1, count_include_pad=False)
    fade = torch.linspace(0, 1, size, device=batch.device).reshape(1, 1, size, 1)
    colours = _rand((2, n, 3, 1, 1), generator) * 255
    if size > 1 and bool(_rand(1, generator) < 0.5):
        fade = fade.transpose(2, 3)
    return batch + near * (colours[0] * fade + colours[1] * (1 - fade) - border)


def _colour(batch: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Mix the channels: other hues and saturations."""
    n = len(batch)
    spread = 0.3 * strength.reshape(n, 1, 1)
    noise = torch.randn((n, 3, 3), generator=generator, device=generator.device) * spread
    matrix = torch.eye(3, device=batch.device) + noise
    matrix = matrix / matrix.sum(dim=2, keepdim=True).clamp(min=0.3)  # grey stays grey
    return torch.einsum("nij,njhw->nihw", matrix, batch)


def _grey(batch: Tensor, _strength: Tensor, _generator: Generator) -> Tensor:
    return batch.mean(dim=1, keepdim=True).expand_as(batch)


def _negative(batch: Tensor, _strength: Tensor, _generator: Generator) -> Tensor:
    return 255 - batch


def _contrast(batch: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Multiply by up to 1.4, add up to 25 levels, each channel a little differently."""
    n = len(batch)
    gain = torch.exp(_uniform(n, -1, 1, generator) * torch.log1p(0.4 * strength))
    offset = _uniform(n, -25, 25, generator) * strength
    tint = (_rand((n, 3, 1, 1), generator) * 2 - 1) * 15 * _per_image(strength)
    return batch * _per_image(gain) + _per_image(offset) + tint


def _blur_or_sharpen(batch: Tensor, _strength: Tensor, generator: Generator) -> Tensor:
    """Towards the mean of 5x5 pixels, or away from it."""
    blurred = F.avg_pool2d(batch, 5, 1, 2, count_include_pad=False)
    amount = _uniform(len(batch), -1, 1, generator)
    return batch + (blurred - batch) * _per_image(amount)


def _few_pixels(batch: Tensor, _strength: Tensor, _generator: Generator) -> Tensor:
    """As a picture of a quarter of the edge looks, such as Fashion-MNIST's."""
    size = batch.shape[-1]
    few = F.interpolate(batch, (size // 4, size // 4), mode="bilinear", antialias=True)
    return F.interpolate(few, (size, size), mode="bilinear")


def _jpeg(batch: Tensor, _strength: Tensor, generator: Generator) -> Tensor:
    """At qualities from 25 to 90."""
    quality = torch.randint(25, 91, (len(batch),), generator=generator, device=generator.device)
    return compress(batch.clamp(0, 255), quality)


def _erase(batch: Tensor, _strength: Tensor, generator: Generator) -> Tensor:
    """Random erasing (Zhong et al., 2020): a grey rectangle of 2 to 25 % of the area."""
    n, size = len(batch), batch.shape[-1]
    area = _uniform(n, 0.02, 0.25, generator)
    aspect = torch.exp(_uniform(n, -1, 1, generator) * math.log(3))
    height = ((area * aspect).sqrt() * size).clamp(1, size)
    width = ((area / aspect).sqrt() * size).clamp(1, size)
    top = _rand(n, generator) * (size - height)
    left = _rand(n, generator) * (size - width)
    level = _per_image(_uniform(n, 0, 255, generator))
    place = torch.arange(size, dtype=torch.float32, device=batch.device)
    rows = (place >= top[:, None]) & (place < (top + height)[:, None])
    columns = (place >= left[:, None]) & (place < (left + width)[:, None])
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], level, batch)
