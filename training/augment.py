"""Augmentation of a whole batch as tensors: no worker processes, no decoding while training.

Every transform draws its random numbers from the generator that it is given, so an epoch that is
resumed sees what it would have seen.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

Generator = torch.Generator


def augment(images: Tensor, strength: float, generator: Generator) -> Tensor:
    """Flip, shift, scale, rotate, change contrast and erase.

    Args:
        images: uint8 `[N, 3, S, S]`.
        strength: 0 leaves the images as they are, 1 is meant for photos; 0.5 is a good default
            for Fashion-MNIST. It scales every range below and the share of erased images.
        generator: where the random numbers come from, on the images' device.

    Returns:
        uint8 `[N, 3, S, S]`.
    """
    if strength <= 0:
        return images
    batch = _geometry(images.float(), strength, generator)
    batch = _contrast(batch, strength, generator)
    batch = _erase(batch, strength, generator)
    return batch.round().clamp(0, 255).to(torch.uint8)


def _rand(shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _uniform(n: int, low: float, high: float, generator: Generator) -> Tensor:
    return _rand(n, generator) * (high - low) + low


def _geometry(batch: Tensor, strength: float, generator: Generator) -> Tensor:
    """One resampling for all: mirrored in half of the images, up to 20 degrees, 20 %, 12 %."""
    n = len(batch)
    mirror = torch.where(_rand(n, generator) < 0.5, -1.0, 1.0)
    angle = _uniform(n, -1, 1, generator) * math.radians(20) * strength
    zoom = torch.exp(_uniform(n, -1, 1, generator) * math.log(1 + 0.2 * strength))
    stretch = torch.exp(_uniform(n, -1, 1, generator) * math.log(1 + 0.12 * strength))
    shift = (_rand((n, 2), generator) * 2 - 1) * 0.24 * strength
    # The matrix maps places of the output to places of the input, both from -1 to 1.
    cos, sin = torch.cos(angle), torch.sin(angle)
    scale_x, scale_y = zoom * stretch, zoom / stretch
    matrix = torch.stack(
        [
            torch.stack([cos * scale_x * mirror, -sin * scale_y, shift[:, 0]], dim=1),
            torch.stack([sin * scale_x * mirror, cos * scale_y, shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrix, list(batch.shape), align_corners=False)
    # Border: what comes in from outside has the colour of the edge, as the letterbox has.
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def _contrast(batch: Tensor, strength: float, generator: Generator) -> Tensor:
    """Multiply by up to 1.3 and add up to 25 levels."""
    n = len(batch)
    gain = torch.exp(_uniform(n, -1, 1, generator) * math.log(1 + 0.3 * strength))
    offset = _uniform(n, -25, 25, generator) * strength
    return batch * gain.reshape(n, 1, 1, 1) + offset.reshape(n, 1, 1, 1)


def _erase(batch: Tensor, strength: float, generator: Generator) -> Tensor:
    """Random erasing (Zhong et al., 2020): a grey rectangle of 2 to 25 % of the area."""
    n, size = len(batch), batch.shape[-1]
    erased = _rand(n, generator) < 0.5 * strength
    area = _uniform(n, 0.02, 0.25, generator)
    aspect = torch.exp(_uniform(n, -1, 1, generator) * math.log(3))
    height = ((area * aspect).sqrt() * size).clamp(1, size)
    width = ((area / aspect).sqrt() * size).clamp(1, size)
    top = _rand(n, generator) * (size - height)
    left = _rand(n, generator) * (size - width)
    level = _uniform(n, 0, 255, generator).reshape(n, 1, 1, 1)
    place = torch.arange(size, dtype=torch.float32, device=batch.device)
    rows = (place >= top[:, None]) & (place < (top + height)[:, None])
    columns = (place >= left[:, None]) & (place < (left + width)[:, None])
    mask = rows[:, None, :, None] & columns[:, None, None, :] & erased.reshape(n, 1, 1, 1)
    return torch.where(mask, level, batch)
