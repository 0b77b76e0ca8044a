"""Figures of a classifier from its probabilities and the truth: pure functions, no files.

Everything is over the ten categories. Rows whose truth is `other` (class id 10) have no right
answer among them; `categories_only` leaves them out before anything is counted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import (
    confusion_matrix,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)

from app.artifact import CATEGORIES, Figures

CALIBRATION_BINS = 15

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

_IDS = list(range(len(CATEGORIES)))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClassFigures(_Frozen):
    """One category against the rest.

    Precision is null when the category is never answered, recall when it has no images, F1 when
    both hold.
    """

    label: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class CalibrationBin(_Frozen):
    """The answers whose confidence lies above `low` and not above `high`.

    `confidence` and `accuracy` are their means; null when there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class Mistake(_Frozen):
    """A wrong answer; `index` is the row, `truth` and `answer` are class ids."""

    index: int
    truth: int
    answer: int
    confidence: float


class Confusion(_Frozen):
    """How often images of one category get the answer of another."""

    truth: str
    answer: str
    count: int
    share: float


def categories_only(probabilities: Floats, labels: Integers) -> tuple[Floats, Integers]:
    """Leave out the rows that are none of the ten categories.

    Args:
        probabilities: `[N, 10]`.
        labels: class ids `[N]`, 10 for `other`.
    """
    kept = labels < len(CATEGORIES)
    return probabilities[kept], labels[kept]


def figures(probabilities: Floats, labels: Integers) -> Figures:
    """The figures that the model card carries.

    Args:
        probabilities: calibrated, `[N, 10]`.
        labels: class ids `[N]`; rows of `other` are left out.

    Raises:
        ValueError: no image of the ten categories, or a probability that is not a number.
    """
    probabilities, labels = categories_only(probabilities, labels)
    if len(labels) == 0:
        raise ValueError("there is no image of the ten categories to measure on")
    if not np.isfinite(probabilities).all():
        raise ValueError("the model answered with probabilities that are not numbers")
    answers = probabilities.argmax(axis=1)
    f1 = [entry.f1 for entry in per_class(answers, labels) if entry.support]
    return Figures(
        images=len(labels),
        accuracy=float((answers == labels).mean()),
        macro_f1=sum(value or 0.0 for value in f1) / len(f1),
        ece=expected_calibration_error(reliability(probabilities, labels)),
        confusion_matrix=confusion_matrix(labels, answers, labels=_IDS).tolist(),
    )


def per_class(answers: Integers, labels: Integers) -> list[ClassFigures]:
    """Each category's figures, by class id; `answers` and `labels` are class ids `[N]`."""
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, answers, labels=_IDS, average=None, zero_division=np.nan
    )
    counts = multilabel_confusion_matrix(labels, answers, labels=_IDS)
    return [
        ClassFigures(
            label=CATEGORIES[index],
            support=int(support[index]),
            precision=_number(precision[index]),
            recall=_number(recall[index]),
            f1=_number(f1[index]),
            true_positives=int(counts[index, 1, 1]),
            false_positives=int(counts[index, 0, 1]),
            true_negatives=int(counts[index, 0, 0]),
            false_negatives=int(counts[index, 1, 0]),
        )
        for index in _IDS
    ]


def reliability(
    probabilities: Floats, labels: Integers, bins: int = CALIBRATION_BINS
) -> list[CalibrationBin]:
    """Confidence against accuracy in `bins` bins of equal width."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    # Above the lower edge, up to the upper one; rounding may put a confidence just above 1.
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    result = []
    for index in range(bins):
        inside = place == index
        count = int(inside.sum())
        result.append(
            CalibrationBin(
                low=index / bins,
                high=(index + 1) / bins,
                count=count,
                confidence=float(confidence[inside].mean()) if count else None,
                accuracy=float(right[inside].mean()) if count else None,
            )
        )
    return result


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """Mean distance of confidence and accuracy over the bins, weighted by their counts."""
    total = sum(entry.count for entry in bins)
    distances = (
        entry.count * abs(entry.confidence - entry.accuracy)
        for entry in bins
        if entry.confidence is not None and entry.accuracy is not None
    )
    return sum(distances) / total


def worst_mistakes(probabilities: Floats, labels: Integers, limit: int) -> list[Mistake]:
    """The wrong answers given with the highest confidence, highest first; `other` has none."""
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero((answers != labels) & (labels < len(CATEGORIES)))
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    return [
        Mistake(
            index=int(row),
            truth=int(labels[row]),
            answer=int(answers[row]),
            confidence=float(confidence[row]),
        )
        for row in order
    ]


def top_confusions(matrix: list[list[int]], limit: int) -> list[Confusion]:
    """The commonest confusions of a confusion matrix (rows: truth), commonest first."""
    found = [
        Confusion(
            truth=CATEGORIES[truth],
            answer=CATEGORIES[answer],
            count=count,
            share=count / sum(row),
        )
        for truth, row in enumerate(matrix)
        for answer, count in enumerate(row)
        if truth != answer and count
    ]
    return sorted(found, key=lambda entry: -entry.count)[:limit]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
