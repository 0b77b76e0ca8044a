"""The networks, and the module that becomes the artifact.

`build_network` gives torchvision's unchanged ResNet18 or VGG-16. `GarmentModel` puts the
preprocessing before it and the calibration behind it; scripted, these three methods are all that
serving knows of the model.
"""

from __future__ import annotations

from typing import Literal
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.artifact import CATEGORIES
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
    mean = 255.0 * torch.tensor([0.485, 0.456, 0.406], device=images.device).reshape(1, 3, 1, 1)
    std = 255.0 * torch.tensor([0.229, 0.224, 0.225], device=images.device).reshape(1, 3, 1, 1)
    batch = (images.to(torch.float32) - mean) / std
    return batch.contiguous(memory_format=torch.channels_last)


class GarmentModel(nn.Module):
    """Pixels in, calibrated probabilities out: what `torch.jit.script` makes the artifact of."""

    def __init__(self, network: nn.Module, temperature: float = 1.0, rejects: bool = False) -> None:
        """Wrap a network.

        Args:
            network: gives `[N, 10]` logits, or `[N, 11]` with `other` last where it rejects.
            temperature: divides the logits; above 1 it makes the answers less sure.
            rejects: whether the network has the eleventh output.
        """
        super().__init__()
        self.network = network
        self.input_size = INPUT_SIZE
        self.temperature = temperature
        self.rejects = rejects

    @torch.jit.export
    def preprocess(self, images: list[Tensor]) -> Tensor:
        """uint8 RGB `[3, H, W]` images of any sizes to float32 `[N, 3, 112, 112]`."""
        return normalise(torch.stack([letterbox(image, self.input_size) for image in images]))

    @torch.jit.export
    def logits(self, batch: Tensor) -> Tensor:
        """Float `[N, 3, 112, 112]` to uncalibrated outputs, `[N, 10]` or `[N, 11]`."""
        return self.network(batch)  # type: ignore[no-any-return]

    @torch.jit.export
    def calibrate(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Logits to probabilities over the ten `[N, 10]`, and of being one of the ten `[N]`."""
        scaled = logits.to(torch.float32) / self.temperature
        categories = scaled[:, :10].softmax(dim=1)
        if self.rejects:
            return categories, 1.0 - scaled.softmax(dim=1)[:, 10]
        return categories, torch.ones(logits.shape[0])

    def forward(self, images: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Images as in `preprocess` to the two tensors of `calibrate`."""
        return self.calibrate(self.logits(self.preprocess(images)))
