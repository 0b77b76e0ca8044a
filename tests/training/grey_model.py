"""A model whose answers are known: it names a class by how bright the image is.

Grey level 0 to 25 is class 0, 26 to 51 class 1, and so on. It goes through the whole of an
artifact's life (script, save, verify, load) in milliseconds.
"""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from tests.cards import make_card
from training.data.datasets import FOLDERS
from training.garment_model import GarmentModel
from training.scripted import golden_images, save_artifact


class GreyNetwork(nn.Module):
    """Logits by the distance of the mean grey level to that of each class."""

    def __init__(self, shift: int = 0, outputs: int = 10, work: int = 0) -> None:
        super().__init__()
        self.shift, self.outputs, self.work = shift, outputs, work

    def forward(self, batch: Tensor) -> Tensor:
        for _ in range(self.work):
            batch = batch + batch.sin() * 0.0
        level = batch[:, 0].mean(dim=[1, 2]).unsqueeze(1) * 0.229 + 0.485
        centres = ((torch.arange(self.outputs) + 0.5) / 10.0).clamp(max=1.0)
        logits = -400.0 * (level - centres.to(batch.dtype).unsqueeze(0)) ** 2
        return torch.roll(logits, self.shift, dims=1)


def save_grey_model(
    path: Path, *, shift: int = 0, work: int = 0, version: str = "1.0.0", rejects: bool = False
) -> Path:
    """Write an artifact; with `shift`, every answer is wrong by so many classes.

    One that rejects takes what is nearly white (level 255) for no garment.
    """
    model = GarmentModel(GreyNetwork(shift, 11 if rejects else 10, work), rejects).eval()
    card = make_card(0.5 if rejects else None, name="grey", version=version)
    image = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    save_artifact(model, card, golden_images(model, [image]), path)
    return path


def level_of(label: int) -> int:
    """The grey level in the middle of a class; 255 for `other`."""
    return min(255, int(255 * (label + 0.5) / 10))


def add_grey_image(split: Path, folder: str, name: str, level: int | None = None) -> None:
    """Add an image to an ImageFolder tree, of its class's grey level unless told."""
    grey = level_of(FOLDERS.index(folder)) if level is None else level
    data = io.BytesIO()
    Image.new("L", (8, 8), grey).save(data, "PNG")
    (split / folder).mkdir(parents=True, exist_ok=True)
    (split / folder / name).write_bytes(data.getvalue())
