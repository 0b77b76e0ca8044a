"""Which of several measured artifacts is best, and why (compare.json)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.evaluation import Evaluation
from training.reports.page import percent
from training.significance import mcnemar_p

SIGNIFICANT = 0.05
"""Below this p, a difference in accuracy is not put down to chance."""


class Candidate(BaseModel):
    """An artifact, its figures, and the milliseconds its network takes by batch size.

    `ratios` say how many times as long as the first candidate takes, call by call.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    evaluation: Evaluation
    milliseconds: dict[int, float]
    ratios: dict[int, float]

    @property
    def title(self) -> str:
        """Name and version, and the architecture where the name does not have it."""
        model = self.evaluation.model
        hidden = model.architecture not in model.name
        return f"{model.name} {model.version}" + (f" ({model.architecture})" if hidden else "")


class Comparison(BaseModel):
    """The candidates as given; `best` is a place among them.

    `p_values` are McNemar's, of each candidate against the most accurate: how likely two equally
    good models differ as much on these images.
    """

    model_config = ConfigDict(frozen=True)

    candidates: list[Candidate]
    p_values: list[float]
    most_accurate: int
    best: int
    verdict: str
    hardware: str


def compare(
    candidates: Sequence[Candidate], right: Sequence[NDArray[np.bool_]], hardware: str
) -> Comparison:
    """Choose: of those whose accuracy is not worse beyond chance, the fastest for one image.

    Fastest by the ratios, which hold on a busy machine too, not by the milliseconds.

    Args:
        candidates: two or more, measured on the same split.
        right: for each candidate, whether it was right, image by image.
        hardware: what the speeds were measured on.
    """
    accuracy = [candidate.evaluation.figures.accuracy for candidate in candidates]
    top = max(range(len(candidates)), key=accuracy.__getitem__)
    p_values = [mcnemar_p(right[top], answers) for answers in right]
    equal = [index for index, p in enumerate(p_values) if p >= SIGNIFICANT]
    best = min(equal, key=lambda index: candidates[index].ratios[1])
    return Comparison(
        candidates=list(candidates),
        p_values=p_values,
        most_accurate=top,
        best=best,
        verdict=_verdict(candidates, p_values, top, best, alone=len(equal) == 1),
        hardware=hardware,
    )


def _verdict(
    candidates: Sequence[Candidate],
    p_values: Sequence[float],
    top: int,
    best: int,
    *,
    alone: bool,
) -> str:
    chosen = candidates[best]
    accuracy = chosen.evaluation.figures.accuracy
    if alone:
        second = max(
            (other for index, other in enumerate(candidates) if index != best),
            key=lambda other: other.evaluation.figures.accuracy,
        )
        margin = (accuracy - second.evaluation.figures.accuracy) * 100
        why = (
            f"it is right on {percent(accuracy, 2)} of the images, {margin:.2f} points more than "
            f"{second.title}, and that is more than chance ({_p(p_values, best)})"
        )
        faster = [other for other in candidates if other.ratios[1] < chosen.ratios[1]]
        if faster:
            fastest = min(faster, key=lambda other: other.ratios[1])
            times = chosen.ratios[1] / fastest.ratios[1]
            why += f". It takes {times:.1f} times as long for an image as {fastest.title}"
    elif best == top:
        why = (
            f"it is the most accurate ({percent(accuracy, 2)}) and, of those that are as "
            f"accurate up to chance, the fastest ({chosen.milliseconds[1]:.1f} ms for one image)"
        )
    else:
        leader = candidates[top]
        times = leader.ratios[1] / chosen.ratios[1]
        why = (
            f"{leader.title} is right on {percent(leader.evaluation.figures.accuracy, 2)} of the "
            f"images and this one on {percent(accuracy, 2)}, which chance can explain "
            f"(p = {p_values[best]:.2f}), while it is {times:.1f} times as fast for one image"
        )
    return f"{chosen.title} is the best: {why}."


def _p(p_values: Sequence[float], best: int) -> str:
    nearest = max(p for index, p in enumerate(p_values) if index != best)
    return f"p = {nearest:.3f}" if nearest >= 0.001 else "p under 0.001"
