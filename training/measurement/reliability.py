"""How far the confidences of answers can be taken at their word."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

CALIBRATION_BINS = 15


class CalibrationBin(BaseModel):
    """The answers whose confidence lies above `low` and not above `high`.

    `confidence` and `accuracy` are their means; null when there are none.
    """

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def reliability(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = CALIBRATION_BINS
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


def calibration_error_by_chance(bins: Sequence[CalibrationBin]) -> float:
    """The ECE to expect of a model whose confidences are right, on as many answers.

    Of `n` answers that are right with probability `c` each, the share that is right lies off `c`
    by sqrt(2 c (1 - c) / (pi n)) on average: the mean of the distance of a normal distribution.
    """
    total = sum(entry.count for entry in bins)
    distances = (
        entry.count
        * math.sqrt(2 * entry.confidence * (1 - entry.confidence) / math.pi / entry.count)
        for entry in bins
        if entry.confidence is not None and entry.confidence < 1
    )
    return sum(distances) / total
