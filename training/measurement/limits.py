"""What a model's own limits make of its answers: `app/review.py`, for many images at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.card import BACKGROUNDS, Background, Calibration

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Answers:
    """What a model says of N images.

    `probabilities`, calibrated, `[N, 10]`; `garment`, of being one of the ten, `[N]`;
    `backgrounds`, places in `app.card.BACKGROUNDS`, `[N]`.
    """

    probabilities: Floats
    garment: Floats
    backgrounds: Integers

    def of(self, chosen: NDArray[np.bool_]) -> Answers:
        """The answers to some of the images, `[N]`."""
        return Answers(self.probabilities[chosen], self.garment[chosen], self.backgrounds[chosen])


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


def _limits(
    answers: Answers,
    calibration: Mapping[Background, Calibration],
    limit: Callable[[Calibration], float],
) -> Floats:
    limits = np.array([limit(calibration[background]) for background in BACKGROUNDS])
    return np.asarray(limits[answers.backgrounds])
