"""Measure what an artifact answered, source by source; `evaluate` and `compare` report it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.artifact import Artifact, Precision
from app.card import BACKGROUNDS, CATEGORIES, Background, Figures
from training.data.datasets import OTHER, sources_of, split_path
from training.data.loading import Split
from training.errors import DataError
from training.measurement import metrics
from training.measurement.curves import AcceptancePoint, SetSize, acceptance, set_sizes
from training.measurement.limits import Integers, conformal_sets, is_rejected
from training.measurement.metrics import ClassFigures
from training.measurement.mistakes import Confusion, top_confusions, worst_mistakes
from training.measurement.prediction import Predictions
from training.measurement.reliability import (
    CalibrationBin,
    calibration_error_by_chance,
    reliability,
)
from training.measurement.significance import Interval, wilson_interval
from training.wording import percent


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


class Intervals(_Frozen):
    """Wilson's 95 % intervals of the shares in `Figures`; null where the share is.

    That of `fpr95` leaves out that the threshold for 95 % of garments is measured, too.
    """

    accuracy: Interval
    accepted: Interval
    accepted_accuracy: Interval | None
    coverage: Interval
    fpr95: Interval | None
    flagged: Interval | None
    garments_refused: Interval | None


class Example(_Frozen):
    """An image for a person to look at; `index` is its row in the split.

    `truth` is a category or `other`; `confidence` is that of the answer, `garment` the
    probability of being a garment at all.
    """

    index: int
    file: str
    truth: str
    answer: str
    confidence: float
    garment: float


class Evaluation(_Frozen):
    """An artifact's figures on one source.

    All but the last of them are on garments. `backgrounds` counts garments. `ece_by_chance` is
    what a model whose confidences are right would have on as many images. `garments_refused` is
    null when the model cannot tell garments from the `other_images`. Examples are all wrong
    answers, all other things taken for garments and all garments refused, the surest first.
    """

    source: str
    images_per_second: float
    figures: Figures
    intervals: Intervals
    ece_by_chance: float
    backgrounds: dict[Background, int]
    per_class: list[ClassFigures]
    calibration: list[CalibrationBin]
    confusions: list[Confusion]
    acceptance: list[AcceptancePoint]
    set_sizes: list[SetSize]
    garments_refused: int | None
    other_images: int
    mistakes: list[Example]
    others_accepted: list[Example]
    refused_garments: list[Example]


class Evaluations(_Frozen):
    """One artifact on several sources: evaluation.json."""

    model: ModelIdentity
    split: str
    precision: Precision
    sources: list[Evaluation]


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


def one_split_of(folders: Sequence[Path], split: str) -> dict[str, Path]:
    """The same split of several sources, by the source's name, which is that of its folder.

    Raises:
        DataError: it is not there, or two folders have one name.
    """
    names = sources_of(folders)
    return dict(zip(names, (split_path(folder, split) for folder in folders), strict=True))


def measure(artifact: Artifact, source: str, split: Split, predictions: Predictions) -> Evaluation:
    """All figures of predictions.

    Args:
        artifact: what predicted.
        source: the name of what it predicted.
        split: what it predicted, in the same order.
        predictions: what it answered.

    Raises:
        DataError: there is no image of the ten categories, or an answer is not a number.
    """
    labels, answers = split.labels.numpy(), predictions.answers
    limits = artifact.card.calibration
    try:
        figures = metrics.figures(answers, labels, limits)
    except ValueError as error:
        raise DataError(f"cannot measure {artifact.path} on {source}: {error}") from error
    ours = labels < len(CATEGORIES)
    known, truth = answers.of(ours), labels[ours]
    first, confidence = known.probabilities.argmax(axis=1), known.probabilities.max(axis=1)
    bins = reliability(known.probabilities, truth)
    rejected = is_rejected(answers, limits)
    wrong = worst_mistakes(answers.probabilities, labels)
    rejects = artifact.card.can_reject
    refused = int((rejected & ours).sum()) if rejects else None
    most_garment = np.argsort(-answers.garment, kind="stable")

    def listed(rows: Integers | list[int]) -> list[Example]:
        return [_example(int(row), split, predictions) for row in rows]

    return Evaluation(
        source=source,
        images_per_second=len(split) / predictions.seconds,
        figures=figures,
        intervals=_intervals(figures, refused),
        ece_by_chance=calibration_error_by_chance(bins),
        backgrounds={
            background: int((known.backgrounds == place).sum())
            for place, background in enumerate(BACKGROUNDS)
        },
        per_class=metrics.per_class(first, truth),
        calibration=bins,
        confusions=top_confusions(figures.confusion_matrix, limit=10),
        acceptance=acceptance(confidence, first == truth),
        set_sizes=set_sizes(conformal_sets(known, limits), truth),
        garments_refused=refused,
        other_images=int((~ours).sum()),
        mistakes=listed([mistake.index for mistake in wrong]),
        others_accepted=listed(most_garment[(~ours & ~rejected)[most_garment]] if rejects else []),
        refused_garments=listed(most_garment[::-1][(ours & rejected)[most_garment[::-1]]]),
    )


def without_garments(artifact: Artifact, source: str, predictions: Predictions) -> str:
    """What can be said of a source of other things alone: no figure of garments."""
    rejected = is_rejected(predictions.answers, artifact.card.calibration)
    told = f"{source}: {len(rejected):,} images of other things and no garment: not in the report"
    if not artifact.card.can_reject:
        return f"{told}; the model cannot tell them from garments"
    return f"{told}; {rejected.sum():,} of them ({percent(float(rejected.mean()))}) are refused"


def _intervals(figures: Figures, refused: int | None) -> Intervals:
    images, review, other = figures.images, figures.review, figures.other
    accepted = round(review.accepted * images)
    return Intervals(
        accuracy=wilson_interval(figures.accuracy, images),
        accepted=wilson_interval(review.accepted, images),
        accepted_accuracy=_interval(review.accuracy, accepted),
        coverage=wilson_interval(figures.conformal.coverage, images),
        fpr95=_interval(other.fpr95, other.images) if other else None,
        flagged=_interval(other.flagged, other.images) if other else None,
        garments_refused=None if refused is None else wilson_interval(refused / images, images),
    )


def _interval(share: float | None, count: int) -> Interval | None:
    return None if share is None else wilson_interval(share, count)


def _example(row: int, split: Split, predictions: Predictions) -> Example:
    probabilities = predictions.answers.probabilities[row]
    return Example(
        index=row,
        file=split.names[row],
        truth=(*CATEGORIES, OTHER)[int(split.labels[row])],
        answer=CATEGORIES[int(probabilities.argmax())],
        confidence=float(probabilities.max()),
        garment=float(predictions.answers.garment[row]),
    )
