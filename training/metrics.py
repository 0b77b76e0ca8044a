"""Figures of a classifier from its answers and the truth: pure functions, no files.

Rows whose truth is `other` (class id 10) have no right answer among the ten categories; all
figures but those of rejection leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import (
    confusion_matrix,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from app.artifact import (
    BACKGROUNDS,
    CATEGORIES,
    Background,
    Calibration,
    ConformalFigures,
    Figures,
    RejectionFigures,
    ReviewFigures,
)
from training.reliability import expected_calibration_error, reliability

GARMENTS_FOUND = 0.95
"""Share of the garments that are accepted where the false positive rate is read off."""

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


@dataclass(frozen=True)
class Answers:
    """What a model says of N images.

    `probabilities`, calibrated, `[N, 10]`; `garment`, of being one of the ten, `[N]`;
    `backgrounds`, places in `app.artifact.BACKGROUNDS`, `[N]`.
    """

    probabilities: Floats
    garment: Floats
    backgrounds: Integers

    def of(self, chosen: NDArray[np.bool_]) -> Answers:
        """The answers to some of the images, `[N]`."""
        return Answers(self.probabilities[chosen], self.garment[chosen], self.backgrounds[chosen])


def figures(
    answers: Answers, labels: Integers, calibration: Mapping[Background, Calibration]
) -> Figures:
    """The figures that the model card carries.

    Args:
        answers: to N images.
        labels: their class ids `[N]`, 10 for `other`.
        calibration: the limits of the model that answered.

    Raises:
        ValueError: no image of the ten categories, or a probability that is not a number.
    """
    ours = labels < len(CATEGORIES)
    known, truth = answers.of(ours), labels[ours]
    if len(truth) == 0:
        raise ValueError("there is no image of the ten categories to measure on")
    if not (np.isfinite(answers.probabilities).all() and np.isfinite(answers.garment).all()):
        raise ValueError("the model answered with probabilities that are not numbers")
    first = known.probabilities.argmax(axis=1)
    f1 = [entry.f1 for entry in per_class(first, truth) if entry.support]
    return Figures(
        images=len(truth),
        accuracy=float((first == truth).mean()),
        macro_f1=sum(value or 0.0 for value in f1) / len(f1),
        ece=expected_calibration_error(reliability(known.probabilities, truth)),
        confusion_matrix=confusion_matrix(truth, first, labels=_IDS).tolist(),
        review=_review_figures(known, truth, calibration),
        conformal=_conformal_figures(known, truth, calibration),
        other=_rejection_figures(answers, labels, calibration),
    )


def needs_review(
    answers: Answers, calibration: Mapping[Background, Calibration]
) -> NDArray[np.bool_]:
    """Which answers the model's own limits send to a person, `[N]`.

    The service has two reasons more, which lie in the photo: too small, and blank.
    """
    sets = conformal_sets(answers, calibration).sum(axis=1)
    ordered = np.sort(answers.probabilities, axis=1)
    return np.asarray(
        (ordered[:, -1] < _limits(answers, calibration, lambda part: part.review_confidence))
        | (
            ordered[:, -1] - ordered[:, -2]
            < _limits(answers, calibration, lambda part: part.review_margin)
        )
        | (sets != 1)
        | is_rejected(answers, calibration)
    )


def conformal_sets(
    answers: Answers, calibration: Mapping[Background, Calibration]
) -> NDArray[np.bool_]:
    """Which labels each set holds, `[N, 10]`."""
    limits = _limits(answers, calibration, lambda part: part.conformal_threshold)
    return np.asarray(answers.probabilities >= limits[:, None])


def is_rejected(
    answers: Answers, calibration: Mapping[Background, Calibration]
) -> NDArray[np.bool_]:
    """Which images are taken for no garment, `[N]`; none where the model cannot tell."""
    return np.asarray(
        answers.garment < _limits(answers, calibration, lambda part: part.garment_threshold or 0.0)
    )


def roc(garment: Floats, labels: Integers) -> tuple[Floats, Floats]:
    """Shares of other things and of garments that are above each threshold: `(fpr, tpr)`.

    Args:
        garment: probabilities of being a garment, `[N]`.
        labels: class ids `[N]`, with both garments and `other` (10) among them.
    """
    fpr, tpr, _ = roc_curve(labels < len(CATEGORIES), garment)
    return fpr, tpr


def _limits(
    answers: Answers,
    calibration: Mapping[Background, Calibration],
    limit: Callable[[Calibration], float],
) -> Floats:
    limits = np.array([limit(calibration[background]) for background in BACKGROUNDS])
    return np.asarray(limits[answers.backgrounds])


def _review_figures(
    answers: Answers, labels: Integers, calibration: Mapping[Background, Calibration]
) -> ReviewFigures:
    accepted = ~needs_review(answers, calibration)
    right = (answers.probabilities.argmax(axis=1) == labels)[accepted]
    return ReviewFigures(
        accepted=float(accepted.mean()), accuracy=float(right.mean()) if len(right) else None
    )


def _conformal_figures(
    answers: Answers, labels: Integers, calibration: Mapping[Background, Calibration]
) -> ConformalFigures:
    sets = conformal_sets(answers, calibration)
    sizes = sets.sum(axis=1)
    return ConformalFigures(
        coverage=float(sets[np.arange(len(labels)), labels].mean()),
        mean_size=float(sizes.mean()),
        empty=float((sizes == 0).mean()),
    )


def _rejection_figures(
    answers: Answers, labels: Integers, calibration: Mapping[Background, Calibration]
) -> RejectionFigures | None:
    ours = labels < len(CATEGORIES)
    can_reject = all(part.garment_threshold is not None for part in calibration.values())
    if ours.all() or not can_reject:
        return None
    fpr, tpr = roc(answers.garment, labels)
    rejected = is_rejected(answers, calibration)
    return RejectionFigures(
        images=int((~ours).sum()),
        auroc=float(roc_auc_score(ours, answers.garment)),
        fpr95=float(fpr[np.argmax(tpr >= GARMENTS_FOUND)]),
        flagged=float(rejected[~ours].mean()),
        garments_flagged=float(rejected[ours].mean()),
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


def worst_mistakes(probabilities: Floats, labels: Integers) -> list[Mistake]:
    """The wrong answers, those of the highest confidence first; `other` has none."""
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero((answers != labels) & (labels < len(CATEGORIES)))
    order = wrong[np.argsort(-confidence[wrong], kind="stable")]
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
