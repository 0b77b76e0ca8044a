"""The networks, and the module that becomes the artifact.

`build_network` gives torchvision's unchanged ResNet18 or VGG-16. `GarmentModel` puts the
preprocessing before it and the calibration behind it; scripted, its methods are all that serving
knows of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import URLError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from app.card import CATEGORIES
from training.errors import PretrainedWeightsError
from training.torchvision_cpu import torchvision

WHITE = 240.0
BLACK = 16.0
"""Levels of 0 to 255 from which on a border is white, and up to which it is black."""

Architecture = Literal["resnet18", "vgg16"]
ARCHITECTURES: tuple[Architecture, ...] = ("resnet18", "vgg16")

LAYOUT = 4 * (256 + 512)
"""Of an image, what `GarmentModel.layout` gives: four quarters of the last two stages' maps."""

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


def confidences(logits: Tensor, temperature: Tensor) -> Tensor:
    """Logits `[N, C]` to probabilities, of which none is 1: the largest float32 below is the most.

    So that a limit of 1 is under no answer, and sends each of them to a person.
    """
    return (logits.to(torch.float32) / temperature).softmax(dim=1).clamp(max=0.99999994)


class GarmentModel(nn.Module):
    """Pixels in, calibrated probabilities out: what `torch.jit.script` makes the artifact of."""

    if TYPE_CHECKING:  # its layers are modules, and not tensors, as nn.Module would have it
        network: Any
        orientation: Any

    def __init__(
        self,
        network: nn.Module,
        rejects: bool = False,
        temperatures: Sequence[float] = (1.0, 1.0, 1.0),
        garment_temperatures: Sequence[float] = (1.0, 1.0, 1.0),
        orientation: nn.Linear | None = None,
    ) -> None:
        """Wrap a network.

        Args:
            network: gives `[N, 10]` logits, or `[N, 11]` with `other` last where it rejects.
            rejects: whether the network has the eleventh output.
            temperatures: divide the logits, by background (`app.card.BACKGROUNDS`); above 1
                they make the answers less sure.
            garment_temperatures: the same for the probability of being a garment.
            orientation: `[N, LAYOUT]`, as `layout` gives it, to the `[N, 4]` logits of how many
                quarter turns clockwise make an image upright; for ResNet18 alone.
        """
        super().__init__()
        self.network = network
        self.input_size = INPUT_SIZE
        self.white, self.black = WHITE, BLACK
        self.rejects = rejects
        self.temperatures = list(temperatures)
        self.garment_temperatures = list(garment_temperatures)
        self.orientation = orientation

    @torch.jit.export
    def preprocess(self, images: list[Tensor]) -> Tensor:
        """uint8 RGB `[3, H, W]` images of any sizes to float32 `[N, 3, 112, 112]`."""
        return normalise(torch.stack([letterbox(image, self.input_size) for image in images]))

    @torch.jit.export
    def seen(self, batch: Tensor) -> Tensor:
        """What `preprocess` made, back as pixels: uint8 `[N, 3, 112, 112]`."""
        return pixels(batch).round().clamp(0, 255).to(torch.uint8)

    @torch.jit.export
    def backgrounds(self, batch: Tensor) -> Tensor:
        """int64 `[N]`: 0 where the median of the border is white, 1 where it is black, else 2."""
        border = torch.cat([batch[:, :, 0], batch[:, :, -1], batch[..., 0], batch[..., -1]], dim=2)
        median = pixels(border.median(dim=2)[0].unsqueeze(-1).unsqueeze(-1)).flatten(1)
        white = (median >= self.white).all(dim=1)
        black = (median <= self.black).all(dim=1)
        return torch.where(white, 0, torch.where(black, 1, 2))

    @torch.jit.export
    def logits(self, batch: Tensor) -> Tensor:
        """Float `[N, 3, 112, 112]` to uncalibrated outputs.

        `[N, 10]`, or `[N, 11]` with `other`, and where that is known four more behind them, of how
        many quarter turns clockwise make the image upright.
        """
        if self.orientation is not None:
            middle, maps = self._layers(batch)
            outputs = self.network.fc(maps.mean(dim=[2, 3]))
            return torch.cat([outputs, self.orientation(self._quarters(middle, maps))], dim=1)
        return self.network(batch)  # type: ignore[no-any-return]

    @torch.jit.export
    def calibrate(self, logits: Tensor, backgrounds: Tensor) -> tuple[Tensor, Tensor]:
        """Logits to probabilities over the ten `[N, 10]`, and of being one of the ten `[N]`."""
        logits = logits.to(torch.float32)
        temperature = torch.tensor(self.temperatures)[backgrounds].unsqueeze(1)
        categories = confidences(logits[:, :10], temperature)
        if self.rejects:
            temperature = torch.tensor(self.garment_temperatures)[backgrounds].unsqueeze(1)
            return categories, 1.0 - (logits[:, :11] / temperature).softmax(dim=1)[:, 10]
        return categories, torch.ones(logits.shape[0])

    @torch.jit.export
    def explain(self, batch: Tensor, class_ids: Tensor) -> Tensor:
        """Where the evidence for a class lies: a class activation map, from 0 to 1.

        The map of a network of stride 32 has few cells. So the image, with more pixels around it,
        is seen 16 times, moved by 0, 8, 16 and 24 pixels, always whole, and the maps are put
        together. So many pixels that the cells at a map's edge, which see the zeros that the
        convolutions pad with and light up from them, show none of the image. Source: Zhou et al.,
        "Learning Deep Features for Discriminative Localization", 2016.

        Args:
            batch: float `[N, 3, 112, 112]`, as `logits` takes it.
            class_ids: int64 `[N]`.

        Returns:
            float32 `[N, 15, 15]`, cells of 8 pixels, the first around the first pixel; all zeros
            where nothing speaks for the class, and for networks without global average pooling
            (VGG-16).
        """
        count, size = batch.shape[0], batch.shape[2]
        cells = (size + 8) // 8
        if hasattr(self.network, "layer4"):
            padded = F.pad(batch, [32, 48, 32, 48], mode="replicate")
            edge = size + 32 + 48 - 24
            moved: list[Tensor] = []
            for top in (0, 8, 16, 24):
                for left in (0, 8, 16, 24):
                    # TorchScript knows no comprehension over two ranges.
                    moved.append(padded[:, :, top : top + edge, left : left + edge])  # noqa: PERF401
            _, maps = self._layers(torch.stack(moved, dim=1).flatten(0, 1))
            weights = self.network.fc.weight[class_ids]
            maps = maps.unflatten(0, [count, 16])
            heat = torch.einsum("nmchw,nc->nmhw", maps.to(torch.float32), weights.to(torch.float32))
            rows, columns = heat.shape[2], heat.shape[3]
            heat = heat.reshape(count, 4, 4, rows, columns).permute(0, 3, 1, 4, 2)
            heat = heat.reshape(count, 4 * rows, 4 * columns)
            heat = heat[:, 4 : 4 + cells, 4 : 4 + cells].clamp(min=0.0)  # the first 4 lie outside
            return heat / heat.amax(dim=[1, 2], keepdim=True).clamp(min=1e-6)
        return torch.zeros(count, cells, cells)

    def layout(self, batch: Tensor) -> Tensor:
        """What lies in which quarter of the image, float `[N, LAYOUT]`; of ResNet18 alone."""
        middle, maps = self._layers(batch)
        return self._quarters(middle, maps)

    def _quarters(self, middle: Tensor, maps: Tensor) -> Tensor:
        """The means of both over the four quarters of the image, `[N, LAYOUT]`."""
        parts = [F.adaptive_avg_pool2d(part, 2).flatten(1) for part in [middle, maps]]
        return torch.cat(parts, dim=1)

    def _layers(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """ResNet18's last two stages: `[N, 256, S / 16, S / 16]` and `[N, 512, S / 32, S / 32]`."""
        stem = self.network.relu(self.network.bn1(self.network.conv1(batch)))
        layers = self.network.layer2(self.network.layer1(self.network.maxpool(stem)))
        middle = self.network.layer3(layers)
        return middle, self.network.layer4(middle)

    def forward(self, images: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Images as in `preprocess` to the two tensors of `calibrate`."""
        batch = self.preprocess(images)
        return self.calibrate(self.logits(batch), self.backgrounds(batch))
