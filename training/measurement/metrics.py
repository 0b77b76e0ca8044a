"""Figures of a classifier from its answers and the truth: pure functions, no files.

Rows whose truth is `other` (class id 10) have no right answer among the ten categories; all
figures but those of rejection leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import (
    confusion_matrix,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from app.card import (
    CATEGORIES,
    Background,
    Calibration,
    ConformalFigures,
    Figures,
    RejectionFigures,
    ReviewFigures,
)
from training.measurement.limits import (
    Answers,
    Floats,
    Integers,
    conformal_sets,
    is_rejected,
    needs_review,
)
from training.measurement.reliability import expected_calibration_error, reliability

GARMENTS_FOUND = 0.95
"""Share of the garments that are accepted where the false positive rate is read off."""

_IDS = list(range(len(CATEGORIES)))


class ClassFigures(BaseModel):
    """One category against the rest.

    Precision is null when the category is never answered, recall when it has no images, F1 when
    both hold.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


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


def roc(garment: Floats, labels: Integers) -> tuple[Floats, Floats]:
    """Shares of other things and of garments that are above each threshold: `(fpr, tpr)`.

    Args:
        garment: probabilities of being a garment, `[N]`.
        labels: class ids `[N]`, with both garments and `other` (10) among them.
    """
    fpr, tpr, _ = roc_curve(labels < len(CATEGORIES), garment)
    return fpr, tpr


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


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
