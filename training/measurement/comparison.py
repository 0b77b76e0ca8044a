"""Which of several measured artifacts is best, and why (compare.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.measurement.evaluation import Evaluation, Evaluations
from training.measurement.significance import mcnemar_p
from training.wording import percent

SIGNIFICANT = 0.05
"""Below this p, a difference in accuracy is not put down to chance."""

AS_FAST = 1.1
"""Up to so many times as long counts as the same: a file and its copy may be timed 8 % apart."""


class Effort(BaseModel):
    """What the training of an artifact took, in epochs and in seconds."""

    model_config = ConfigDict(frozen=True)

    epochs: int
    seconds: float


class Candidate(BaseModel):
    """An artifact, its figures, and the milliseconds its network takes by batch size.

    `ratios` say how many times as long as the first candidate takes, call by call. `training` is
    null where no history of it lies beside the artifact.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    evaluations: Evaluations
    milliseconds: dict[int, float]
    ratios: dict[int, float]
    training: Effort | None

    @property
    def title(self) -> str:
        """Name and version, and the architecture where the name does not have it."""
        model = self.evaluations.model
        hidden = model.architecture not in model.name
        return f"{model.name} {model.version}" + (f" ({model.architecture})" if hidden else "")

    @property
    def sources(self) -> list[Evaluation]:
        """The figures of each source."""
        return self.evaluations.sources

    @property
    def accuracy(self) -> float:
        """The mean over the sources, each of which counts the same, however small it is."""
        return sum(entry.figures.accuracy for entry in self.sources) / len(self.sources)


class Comparison(BaseModel):
    """The candidates as given; `best` and `most_accurate` are places among them.

    `p_values` are McNemar's, of each candidate against the most accurate: how likely two equally
    good models differ as much on these images, all sources together. `source_p_values` are the
    same of each source.
    """

    model_config = ConfigDict(frozen=True)

    candidates: list[Candidate]
    p_values: list[float]
    source_p_values: dict[str, list[float]]
    most_accurate: int
    best: int
    verdict: str
    hardware: str

    @property
    def titles(self) -> list[str]:
        """Those of the candidates, with the path where another has the same."""
        return _titles(self.candidates)


@dataclass(frozen=True)
class _Doubt:
    """How a candidate compares with the most accurate; `evidence` is of being worse, if any."""

    p: float
    evidence: str


def compare(
    candidates: Sequence[Candidate],
    right: Mapping[str, Sequence[NDArray[np.bool_]]],
    hardware: str,
) -> Comparison:
    """Choose: of those that are not worse beyond chance, the fastest for one image.

    Of those that are as fast up to `AS_FAST`, it is the most accurate, or the first of several.

    Worse than the one with the highest mean accuracy, by McNemar's test on all images together or
    on a source by itself: many easy images of one source must not hide what is lost on another.
    Several sources are several chances to err, so each is held to its part of `SIGNIFICANT`
    (Bonferroni). Fastest by the ratios, which hold on a busy machine too, not by the milliseconds.

    Args:
        candidates: two or more, measured on the same split of the same sources.
        right: for each source and candidate, whether it was right, image by image.
        hardware: what the speeds were measured on.
    """
    top = max(range(len(candidates)), key=lambda index: candidates[index].accuracy)
    source_p_values = {
        source: [mcnemar_p(answers[top], other) for other in answers]
        for source, answers in right.items()
    }
    pooled = [np.concatenate(answers) for answers in zip(*right.values(), strict=True)]
    p_values = [mcnemar_p(pooled[top], answers) for answers in pooled]
    doubts = []
    for index in range(len(candidates)):
        evidence = ""
        for source, answers in right.items():
            p = source_p_values[source][index]
            fewer = answers[index].sum() < answers[top].sum()
            if fewer and p < SIGNIFICANT / len(right):
                evidence = f"{p_said(p)} on {source}"
        fewer = pooled[index].sum() < pooled[top].sum()
        if fewer and p_values[index] < SIGNIFICANT:
            evidence = p_said(p_values[index]) + (" on all images" if len(right) > 1 else "")
        doubts.append(_Doubt(p_values[index], evidence))
    equal = [index for index, doubt in enumerate(doubts) if not doubt.evidence]
    least = min(candidates[index].ratios[1] for index in equal)
    best = max(
        (index for index in equal if candidates[index].ratios[1] <= least * AS_FAST),
        key=lambda index: candidates[index].accuracy,
    )
    return Comparison(
        candidates=list(candidates),
        p_values=p_values,
        source_p_values=source_p_values,
        most_accurate=top,
        best=best,
        verdict=_verdict(candidates, doubts, top, best, alone=len(equal) == 1),
        hardware=hardware,
    )


def _titles(candidates: Sequence[Candidate]) -> list[str]:
    titles = [candidate.title for candidate in candidates]
    return [
        f"{title} at {candidate.path}" if titles.count(title) > 1 else title
        for title, candidate in zip(titles, candidates, strict=True)
    ]


def _verdict(
    candidates: Sequence[Candidate],
    doubts: Sequence[_Doubt],
    top: int,
    best: int,
    *,
    alone: bool,
) -> str:
    chosen, sources = candidates[best], len(candidates[best].sources)
    titles = _titles(candidates)
    of_images = "of the images" + (f", as the mean of {sources} sources" if sources > 1 else "")
    accuracy = percent(chosen.accuracy, 2)
    if alone:
        others = [index for index in range(len(candidates)) if index != best]
        second = max(others, key=lambda index: candidates[index].accuracy)
        margin = (chosen.accuracy - candidates[second].accuracy) * 100
        why = (
            f"it is right on {accuracy} {of_images}, {margin:.2f} points more than "
            f"{titles[second]}, and that is more than chance ({doubts[second].evidence})"
        )
        fastest = min(range(len(candidates)), key=lambda index: candidates[index].ratios[1])
        times = chosen.ratios[1] / candidates[fastest].ratios[1]
        if times > AS_FAST:
            why += f". It takes {times:.1f} times as long for an image as {titles[fastest]}"
    elif best == top:
        why = (
            f"it is the most accurate ({accuracy} {of_images}) and, of those that are as "
            f"accurate up to chance, none is faster by more than {percent(AS_FAST - 1, 0)} "
            f"({chosen.milliseconds[1]:.1f} ms for one image)"
        )
    else:
        leader = candidates[top]
        times = leader.ratios[1] / chosen.ratios[1]
        digits = 1 if times >= 2 else 2
        but = f"which chance can explain ({p_said(doubts[best].p)})"
        if doubts[best].p < SIGNIFICANT:  # the other way round, or it would not be chosen
            but = "but of all images together this one gets more right"
        why = (
            f"{titles[top]} is right on {percent(leader.accuracy, 2)} {of_images}, and this one "
            f"on {accuracy}, {but}, while it is {times:.{digits}f} times as fast for one image"
        )
    return f"{titles[best]} is the best: {why}."


def p_said(p: float) -> str:
    """A p as text."""
    return f"p = {p:.3f}" if p >= 0.001 else "p under 0.001"
