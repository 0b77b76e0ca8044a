"""The networks, torchvision's unchanged ResNet18 or VGG-16, and what images become before them."""

from __future__ import annotations

from typing import Literal
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.card import CATEGORIES
from training.errors import PretrainedWeightsError
from training.torchvision_cpu import torchvision

Architecture = Literal["resnet18", "vgg16"]
ARCHITECTURES: tuple[Architecture, ...] = ("resnet18", "vgg16")

INPUT_SIZE = 112
"""Edge of the square network input, in pixels."""


def build_network(
    architecture: Architecture, outputs: int = len(CATEGORIES), pretrained: bool = False
) -> nn.Module:
    """torchvision's network for `[N, 3, S, S]` float images, giving `[N, outputs]` logits.

    With `pretrained`, ImageNet's weights (torchvision's `DEFAULT`) and a new last layer.

    Raises:
        PretrainedWeightsError: the weights are not in torch's cache and cannot be downloaded.
    """
    weights = "DEFAULT" if pretrained else None
    try:
        network: nn.Module = torchvision.models.get_model(architecture, weights=weights)
    except (URLError, OSError, RuntimeError) as error:
        if not pretrained:
            raise
        url = torchvision.models.get_model_weights(architecture).DEFAULT.url
        folder = f"{torch.hub.get_dir()}/checkpoints"
        raise PretrainedWeightsError(
            f"--pretrained needs torchvision's ImageNet weights, and they cannot be had ({error}). "
            f"Put {url} into {folder}, or train without --pretrained."
        ) from error
    if architecture == "resnet18":
        network.fc = nn.Linear(512, outputs)
    else:
        network.classifier[6] = nn.Linear(4096, outputs)  # type: ignore[operator,assignment]
    return network


def channels_last(network: nn.Module) -> nn.Module:
    """The network with its weights laid out as convolutions on this processor like them."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def letterbox(image: Tensor, size: int) -> Tensor:
    """Fit an image into a square: aspect kept, the rest filled with the border's own colour.

    Args:
        image: uint8 `[3, H, W]`.
        size: edge of the square, in pixels.

    Returns:
        uint8 `[3, size, size]`. The fill is the median of the outermost pixels, per channel.
    """
    height, width = image.shape[1], image.shape[2]
    longest = max(height, width)
    new_height = max(1, int(height * size / longest + 0.5))
    new_width = max(1, int(width * size / longest + 0.5))
    if new_height != height or new_width != width:
        image = F.interpolate(
            image.unsqueeze(0),
            size=[new_height, new_width],
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )[0]
    if new_height == new_width:
        return image
    border = torch.cat([image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]], dim=1)
    square = border.median(dim=1)[0].reshape(3, 1, 1).repeat(1, size, size)
    top, left = (size - new_height) // 2, (size - new_width) // 2
    square[:, top : top + new_height, left : left + new_width] = image
    return square


def normalise(images: Tensor) -> Tensor:
    """uint8 `[N, 3, S, S]` to float32, channels last, by ImageNet's mean and deviation.

    ImageNet's, so that its pretrained weights can be taken as they are.
    """
    mean, std = _mean_and_deviation(images.device)
    batch = (images.to(torch.float32) - mean) / std
    return batch.contiguous(memory_format=torch.channels_last)


def pixels(batch: Tensor) -> Tensor:
    """What `normalise` made, back: float32 from 0 to 255."""
    mean, std = _mean_and_deviation(batch.device)
    return batch.to(torch.float32) * std + mean


def _mean_and_deviation(device: torch.device) -> tuple[Tensor, Tensor]:
    mean = 255.0 * torch.tensor([0.485, 0.456, 0.406], device=device).reshape(1, 3, 1, 1)
    std = 255.0 * torch.tensor([0.229, 0.224, 0.225], device=device).reshape(1, 3, 1, 1)
    return mean, std
