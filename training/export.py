"""Make the artifact of a trained network: script it, put its card in, and prove it."""

from __future__ import annotations

import base64
import copy
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from app.artifact import (
    CARD_FILE,
    CATEGORIES,
    GOLDEN_FILE,
    Golden,
    ModelCard,
    Precision,
    golden_json,
    load_module,
)
from training.networks import GarmentModel

MAX_DIFFERENCE = 1e-4
"""Largest difference of probabilities between the eager and the exported model, in float32."""

MIN_AGREEMENT = 0.999
"""Share of images to which the exported model in bfloat16 gives the eager model's class."""


class ParityError(Exception):
    """The exported model does not answer as the trained one does."""


def round_to_float16(network: nn.Module) -> None:
    """Round the weight matrices, in place, to what float16 can hold; they stay float32.

    Biases and the statistics of batch normalisation are few and keep their precision.
    """
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half().float())


def golden_images(model: GarmentModel, images: Sequence[Tensor]) -> list[Golden]:
    """What the float32 model answers to uint8 RGB `[3, H, W]` images."""
    with torch.inference_mode():
        probabilities = model(list(images))[0]
    golden = []
    for image, row in zip(images, probabilities, strict=True):
        png = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(png, "PNG", optimize=True)
        golden.append(
            Golden(
                png=base64.b64encode(png.getvalue()),
                label=CATEGORIES[int(row.argmax())],
                probabilities=row.tolist(),
            )
        )
    return golden


def save_artifact(model: GarmentModel, card: ModelCard, golden: list[Golden], path: Path) -> None:
    """Write the artifact, its weight matrices as float16; the file appears whole or not at all."""
    stored = copy.deepcopy(model).eval()
    for parameter in stored.parameters():
        parameter.requires_grad_(False)
        if parameter.ndim > 1:
            parameter.data = parameter.data.half()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.jit.script(stored).save(
        str(partial),
        _extra_files={CARD_FILE: card.model_dump_json(indent=1), GOLDEN_FILE: golden_json(golden)},
    )
    partial.replace(path)
