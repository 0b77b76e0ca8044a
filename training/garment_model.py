"""The module that becomes the artifact.

It puts the preprocessing before a network and the calibration behind it; scripted, its methods are
all that serving knows of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks import INPUT_SIZE, letterbox, normalise, pixels

WHITE = 240.0
BLACK = 16.0
"""Levels of 0 to 255 from which on a border is white, and up to which it is black."""

LAYOUT = 4 * (256 + 512)
"""Of an image, what `GarmentModel.layout` gives: four quarters of the last two stages' maps."""


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
