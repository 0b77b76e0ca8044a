"""Which answers are wrong, and which categories are taken for which."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.card import CATEGORIES
from training.measurement.limits import Floats, Integers


class Mistake(BaseModel):
    """A wrong answer; `index` is the row, `truth` and `answer` are class ids."""

    model_config = ConfigDict(frozen=True)

    index: int
    truth: int
    answer: int
    confidence: float


class Confusion(BaseModel):
    """How often images of one category get the answer of another."""

    model_config = ConfigDict(frozen=True)

    truth: str
    answer: str
    count: int
    share: float


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
