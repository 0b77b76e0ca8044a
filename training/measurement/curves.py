"""How a model behaves at other limits than its own: pure functions of answers and the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.measurement.limits import Floats, Integers

POINTS = 100
"""Of a curve, at most."""


class AcceptancePoint(BaseModel):
    """If answers from `confidence` on were accepted: the share of them, and how many are right."""

    model_config = ConfigDict(frozen=True)

    confidence: float
    accepted: float
    accuracy: float


class SetSize(BaseModel):
    """How many conformal sets hold `size` labels, and in how many of these the truth is."""

    model_config = ConfigDict(frozen=True)

    size: int
    sets: int
    with_truth: int


def acceptance(confidence: Floats, right: NDArray[np.bool_]) -> list[AcceptancePoint]:
    """Accuracy against the share accepted, from the surest answers to all of them.

    Known as the risk-coverage curve. Source: El-Yaniv and Wiener, "On the Foundations of
    Noise-free Selective Classification", 2010.

    Args:
        confidence: of each answer, `[N]`.
        right: whether it was right, `[N]`.
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    # Answers of one confidence are accepted together or not at all.
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    chosen = ends[np.unique(np.linspace(0, len(ends) - 1, POINTS).round().astype(int))]
    accuracy = np.cumsum(right[order])[chosen] / (chosen + 1)
    return [
        AcceptancePoint(
            confidence=float(ordered[end]),
            accepted=float((end + 1) / len(ordered)),
            accuracy=float(share),
        )
        for end, share in zip(chosen, accuracy, strict=True)
    ]


def set_sizes(sets: NDArray[np.bool_], labels: Integers) -> list[SetSize]:
    """The conformal sets by size, from 0 to the largest that occurs.

    Args:
        sets: which labels each set holds, `[N, 10]`.
        labels: class ids `[N]`.
    """
    sizes = sets.sum(axis=1)
    holds = sets[np.arange(len(labels)), labels]
    return [
        SetSize(
            size=size,
            sets=int((sizes == size).sum()),
            with_truth=int((holds & (sizes == size)).sum()),
        )
        for size in range(int(sizes.max()) + 1)
    ]
