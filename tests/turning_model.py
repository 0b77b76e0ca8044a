"""An untrained model that knows one thing: what is bright above and dark below is upright."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from app.artifact import Artifact, open_artifact
from tests.cards import make_card
from training.garment_model import GarmentModel
from training.networks import build_network
from training.orientation import fit_orientation
from training.scripted import golden_images, layer_ranges, round_to_float16, save_artifact


def shaded(count: int, seed: int = 0) -> Tensor:
    """Upright images, each shaded in its own way: uint8 `[N, 3, 112, 112]`."""
    random = torch.Generator().manual_seed(seed)
    ends = torch.rand(2, count, 3, 1, 1, generator=random)
    ramp = torch.linspace(0, 1, 112)[:, None]
    shade = (150 + 80 * ends[0]) * (1 - ramp) + 80 * ends[1] * ramp
    noise = 20 * torch.randn(count, 3, 112, 112, generator=random)
    return (shade + noise).clamp(0, 255).to(torch.uint8)


def make_turning_model() -> GarmentModel:
    """It answers each way up otherwise, with eleven classes."""
    torch.manual_seed(0)
    model = GarmentModel(build_network("resnet18", 11).eval(), True, [0.2] * 3, [0.2] * 3).eval()
    model.orientation = fit_orientation(model, shaded(40))
    round_to_float16(model)
    return model.eval()


def save_turning_model(path: Path) -> Artifact:
    """As an artifact."""
    model, images = make_turning_model(), shaded(4)
    limits = {"temperature": 0.2, "garment_temperature": 0.2}
    card = make_card(0.2, can_turn=True)
    calibration = {
        background: each.model_copy(update=limits) for background, each in card.calibration.items()
    }
    card = card.model_copy(update={"calibration": calibration})
    ranges = layer_ranges(model.network, images)
    save_artifact(model, card, golden_images(model, list(images)), path, ranges)
    return open_artifact(path)
