"""The trained network as a file: scripted, half the size, with known answers, and proven equal."""

from __future__ import annotations

import base64
import copy
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from app.artifact import (
    CARD_FILE,
    GOLDEN_FILE,
    GOLDEN_TOLERANCE,
    RANGES_FILE,
    Golden,
    LayerRange,
    Precision,
    golden_json,
    load_module,
    ranges_json,
)
from app.card import CATEGORIES, ModelCard
from training.errors import ParityError
from training.garment_model import GarmentModel
from training.networks import normalise
from training.precision import is_fast_at_bfloat16
from training.whole_files import written_whole

MAX_DIFFERENCE = 1e-4
"""Largest difference of probabilities between the eager and the exported model, in float32."""

MIN_AGREEMENT = 0.999
"""Share of images to which the exported model in bfloat16 gives the eager model's class."""

FEW = 3
"""So many images may get another class in any case: of a few hundred, one is more than 0.1 %."""

SAMPLE = 1000
"""Images for the check in bfloat16 where the processor is not made for it: a minute, not ten."""

TIE = GOLDEN_TOLERANCE
"""Two classes whose probabilities are closer than this are a tie, which rounding may turn."""


def round_to_float16(network: nn.Module) -> None:
    """Round the weight matrices, in place, to what float16 can hold; they stay float32.

    Biases and the statistics of batch normalisation are few and keep their precision.
    """
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half().float())


def run_logits(
    network: Callable[[Tensor], Tensor], images: Tensor, precision: Precision = "float32"
) -> Tensor:
    """Logits, float32 `[N, C]`, of uint8 `[N, 3, S, S]` images, in batches, with a bar."""
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    with torch.inference_mode():
        parts = [
            network(normalise(part).to(dtype)).float()
            for part in tqdm(images.split(128), f"predicting, {precision}", disable=None)
        ]
    return torch.cat(parts)


def layer_ranges(network: nn.Module, images: Tensor) -> list[LayerRange]:
    """Between which values the input of each layer with weights lies.

    Args:
        network: for normalised images.
        images: uint8 `[N, 3, S, S]`.
    """
    ranges: dict[str, LayerRange] = {}

    def note(name: str, value: Tensor) -> None:
        known = ranges.get(name)
        low, high = float(value.min()), float(value.max())
        ranges[name] = LayerRange(
            name=name,
            low=min(low, known.low) if known else low,
            high=max(high, known.high) if known else high,
        )

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0]))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    try:
        with torch.inference_mode():
            for part in images.split(128):
                network(normalise(part))
    finally:
        for hook in hooks:
            hook.remove()
    return list(ranges.values())


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


def save_artifact(
    model: GarmentModel,
    card: ModelCard,
    golden: list[Golden],
    path: Path,
    ranges: list[LayerRange] | None = None,
) -> None:
    """Write the artifact, its weight matrices as float16; the file appears whole or not at all.

    Raises:
        OSError: naming `path`: the disk is full, for example.
    """
    stored = copy.deepcopy(model).eval()
    for parameter in stored.parameters():
        parameter.requires_grad_(False)
        if parameter.ndim > 1:
            parameter.data = parameter.data.half()
    files = {CARD_FILE: card.model_dump_json(indent=1), GOLDEN_FILE: golden_json(golden)}
    if ranges is not None:
        files[RANGES_FILE] = ranges_json(ranges)
    scripted = torch.jit.script(stored)
    # To a file of Python's: where torch writes one itself, a full disk ends the process.
    with written_whole(path) as file:
        torch.jit.save(scripted, file, _extra_files=files)


def check_parity(model: GarmentModel, path: Path, images: Tensor, logits: Tensor) -> str:
    """Hold the artifact against the eager model, as serving will run it.

    Args:
        model: the eager model, in float32.
        path: the artifact.
        images: uint8 `[N, 3, S, S]`.
        logits: float32 `[N, C]`, what the eager network gave for them.

    Returns:
        What was measured, in a sentence.

    Raises:
        ParityError: the limits of this module are not kept.
    """
    expected = _calibrated(model, logits, images)
    difference = float((_probabilities(path, "float32", images) - expected).abs().max())
    step = 1
    if not is_fast_at_bfloat16(torch.device("cpu")):
        step = max(1, len(images) // SAMPLE)
    answers = _probabilities(path, "bfloat16", images[::step]).argmax(dim=1, keepdim=True)
    expected = expected[::step]
    same = expected.argmax(dim=1, keepdim=True) == answers
    tied = expected.amax(dim=1, keepdim=True) - expected.gather(1, answers) < TIE
    agreed = same | tied
    said = (
        f"on {len(images):,} images the artifact differs from the trained network by at most "
        f"{difference:.1e} in probability (float32); in bfloat16 it gives the same class for "
        f"{float(same.double().mean()):.2%} of {len(same):,}, and for "
        f"{float(agreed.double().mean()):.2%} with ties counted as the same"
    )
    other = int((~agreed).sum())
    # Written so that a NaN fails too.
    if not (difference <= MAX_DIFFERENCE and other <= max(FEW, (1 - MIN_AGREEMENT) * len(agreed))):
        raise ParityError(
            f"{said}; allowed are {MAX_DIFFERENCE:.0e} and {MIN_AGREEMENT:.1%}, or {FEW} images"
        )
    return said


def _probabilities(path: Path, precision: Precision, images: Tensor) -> Tensor:
    module = load_module(path, precision)
    return _calibrated(module, run_logits(module.logits, images, precision), images)


def _calibrated(module: Any, logits: Tensor, images: Tensor) -> Tensor:
    with torch.inference_mode():
        parts = [
            module.calibrate(part, module.backgrounds(normalise(seen)))[0]
            for part, seen in zip(logits.split(512), images.split(512), strict=True)
        ]
    return torch.cat(parts)
