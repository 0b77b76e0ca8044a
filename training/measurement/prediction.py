"""What an artifact answers to the images of a split, with the calibration that it carries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from app.artifact import Precision, load_module, open_artifact
from training.measurement.limits import Answers
from training.networks import normalise
from training.orientation import upright_logits


@dataclass(frozen=True)
class Predictions:
    """The answers to N images, and the seconds that they took."""

    answers: Answers
    seconds: float


def predict(path: Path, images: Tensor, precision: Precision, batch_size: int) -> Predictions:
    """What the artifact at `path` answers to uint8 `[N, 3, S, S]` images, with a progress bar.

    Those that it takes for turned ones are turned before, as serving does it.
    """
    module = load_module(path, precision)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    can_turn = open_artifact(path).card.can_turn
    probabilities, garment, backgrounds = [], [], []

    def run(pixels: Tensor) -> Tensor:
        logits: Tensor = module.logits(normalise(pixels).to(dtype))
        return logits

    start = time.perf_counter()
    with (
        torch.inference_mode(),
        tqdm(total=len(images), desc=f"predicting, {precision}", unit="img", disable=None) as bar,
    ):
        for pixels in images.split(batch_size):
            # In float32: a border in bfloat16 is another colour.
            seen = module.backgrounds(normalise(pixels))
            logits = run(pixels)
            if can_turn:
                logits = upright_logits(pixels, logits, run)
            answer = module.calibrate(logits, seen)
            probabilities.append(answer[0])
            garment.append(answer[1])
            backgrounds.append(seen)
            bar.update(len(pixels))
    seconds = time.perf_counter() - start
    answers = Answers(
        torch.cat(probabilities).numpy(), torch.cat(garment).numpy(), torch.cat(backgrounds).numpy()
    )
    return Predictions(answers, seconds)
