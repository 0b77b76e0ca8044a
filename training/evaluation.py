"""Run an artifact over a split and measure it; `evaluate` and `compare` report what comes out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from tqdm import tqdm

from app.artifact import CATEGORIES, Artifact, Calibration, Figures, Precision, load_module
from training import metrics
from training.datasets import Split
from training.errors import DataError
from training.metrics import CalibrationBin, ClassFigures, Confusion, Floats, Mistake
from training.networks import normalise
from training.significance import wilson_interval


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelIdentity(_Frozen):
    """Which artifact was measured."""

    name: str
    version: str
    sha256: str
    architecture: str
    parameters: int
    bytes: int


class Review(_Frozen):
    """What the artifact's own limits make of the answers.

    `share` of the answers are for a person to look at; the rest are right by `accuracy_of_rest`
    (null when there is no rest).
    """

    share: float
    accuracy_of_rest: float | None


class Others(_Frozen):
    """Images of no category, left out of all other figures.

    `flagged` of the `images` were recognised as no garment, and so were `garments_flagged` images
    of the ten categories; both are null when the model cannot reject.
    """

    images: int
    flagged: int | None
    garments_flagged: int | None


class Evaluation(_Frozen):
    """An artifact's figures on one split: evaluation.json.

    `accuracy_interval` is Wilson's, 95 %. In `mistakes`, `index` is a row of the split; the file
    of each stands at the same place in `mistake_files`.
    """

    model: ModelIdentity
    data: str
    split: str
    precision: Precision
    images_per_second: float
    figures: Figures
    accuracy_interval: tuple[float, float]
    per_class: list[ClassFigures]
    calibration: list[CalibrationBin]
    confusions: list[Confusion]
    mistakes: list[Mistake]
    mistake_files: list[str]
    review: Review
    other: Others


@dataclass(frozen=True)
class Predictions:
    """Calibrated probabilities float32 `[N, 10]`, those of being a garment `[N]`, and the time."""

    probabilities: Floats
    garment: Floats
    seconds: float


def identity(artifact: Artifact) -> ModelIdentity:
    """Which artifact this is, for a report."""
    card = artifact.card
    return ModelIdentity(
        name=card.name,
        version=card.version,
        sha256=artifact.sha256,
        architecture=card.architecture,
        parameters=card.parameters,
        bytes=artifact.path.stat().st_size,
    )


def predict(path: Path, images: Tensor, precision: Precision, batch_size: int) -> Predictions:
    """What the artifact at `path` answers to uint8 `[N, 3, S, S]` images, with a progress bar."""
    module = load_module(path, precision)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    probabilities, garment = [], []
    start = time.perf_counter()
    with (
        torch.inference_mode(),
        tqdm(total=len(images), desc=f"predicting, {precision}", unit="img", disable=None) as bar,
    ):
        for batch in images.split(batch_size):
            answer = module.calibrate(module.logits(normalise(batch).to(dtype)))
            probabilities.append(answer[0])
            garment.append(answer[1])
            bar.update(len(batch))
    seconds = time.perf_counter() - start
    return Predictions(torch.cat(probabilities).numpy(), torch.cat(garment).numpy(), seconds)


def measure(
    artifact: Artifact,
    split: Split,
    predictions: Predictions,
    *,
    data: Path,
    name: str,
    precision: Precision,
    mistakes: int = 30,
) -> Evaluation:
    """All figures of predictions.

    Args:
        artifact: what predicted.
        split: what it predicted, in the same order.
        predictions: what it answered.
        data: the folder of the prepared data; its name is reported.
        name: of the split.
        precision: which the artifact was run in.
        mistakes: how many of the surest wrong answers are listed.

    Raises:
        DataError: there is no image of the ten categories, or an answer is not a number.
    """
    labels = split.labels.numpy()
    try:
        figures = metrics.figures(predictions.probabilities, labels)
    except ValueError as error:
        raise DataError(f"cannot measure {artifact.path} on {name} of {data}: {error}") from error
    probabilities, known = metrics.categories_only(predictions.probabilities, labels)
    worst = metrics.worst_mistakes(predictions.probabilities, labels, mistakes)
    return Evaluation(
        model=identity(artifact),
        data=data.resolve().name,
        split=name,
        precision=precision,
        images_per_second=len(split) / predictions.seconds,
        figures=figures,
        accuracy_interval=wilson_interval(figures.accuracy, figures.images),
        per_class=metrics.per_class(probabilities.argmax(axis=1), known),
        calibration=metrics.reliability(probabilities, known),
        confusions=metrics.top_confusions(figures.confusion_matrix, limit=10),
        mistakes=worst,
        mistake_files=[split.names[mistake.index] for mistake in worst],
        review=_review(artifact.card.calibration, predictions, labels),
        other=_others(artifact.card.calibration, predictions, labels),
    )


def _review(calibration: Calibration, predictions: Predictions, labels: metrics.Integers) -> Review:
    probabilities, known = metrics.categories_only(predictions.probabilities, labels)
    first, second = np.sort(probabilities, axis=1)[:, [-1, -2]].T
    doubtful = first < calibration.review_confidence
    doubtful |= first - second < calibration.review_margin
    if calibration.garment_threshold is not None:
        garment = predictions.garment[labels < len(CATEGORIES)]
        doubtful |= garment < calibration.garment_threshold
    right = (probabilities.argmax(axis=1) == known)[~doubtful]
    return Review(
        share=float(doubtful.mean()),
        accuracy_of_rest=float(right.mean()) if len(right) else None,
    )


def _others(calibration: Calibration, predictions: Predictions, labels: metrics.Integers) -> Others:
    is_other = labels == len(CATEGORIES)
    threshold = calibration.garment_threshold
    if threshold is None:
        return Others(images=int(is_other.sum()), flagged=None, garments_flagged=None)
    flagged = predictions.garment < threshold
    return Others(
        images=int(is_other.sum()),
        flagged=int((flagged & is_other).sum()),
        garments_flagged=int((flagged & ~is_other).sum()),
    )
