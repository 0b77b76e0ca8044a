"""Make the probabilities mean what they say, and set the limits of a model, on valid splits.

Photos of a catalogue are easy and photos taken at home are not, and one limit for both would be
too strict for the one and too loose for the other. Which of them an image is shows in its
background (`GarmentModel.backgrounds`), so everything is fitted for each background by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from app.card import BACKGROUNDS, CATEGORIES, Background, Calibration
from training.garment_model import confidences
from training.temperature import fit_temperature

ACCEPTED_ACCURACY = 0.98
"""How often the answers that no person needs to look at are to be right."""

COVERAGE = 0.95
"""How often the set of labels is to hold the right one."""

REVIEW_MARGIN = 0.1
"""First and second closer than this are nearly a tie, whatever the confidence."""

MIN_IMAGES = 100
"""With fewer garments (or other things) of a background, it takes the limits of all images, or
keeps those that it had; with fewer in all, the confidences stay as the network gives them."""

OTHER = len(CATEGORIES)


class Support(NamedTuple):
    """How many images of a background there are to fit on."""

    garments: int
    others: int


def support(labels: Tensor, backgrounds: Tensor) -> dict[Background, Support]:
    """What there is of each background, by labels and places in `BACKGROUNDS`, int64 `[N]`."""
    return {
        background: Support(
            int(((backgrounds == index) & (labels < OTHER)).sum()),
            int(((backgrounds == index) & (labels == OTHER)).sum()),
        )
        for index, background in enumerate(BACKGROUNDS)
    }


def review_confidence(confidence: Tensor, right: Tensor) -> float:
    """The least confidence from which on the answers are right often enough.

    1 where there is none: as `confidences` gives no 1, every answer is then for review.

    Args:
        confidence: float `[N]`, of each answer.
        right: bool `[N]`, whether it was right.
    """
    ordered, order = confidence.sort(descending=True)
    accuracy = right[order].double().cumsum(0) / torch.arange(1, len(order) + 1)
    enough = ((accuracy >= ACCEPTED_ACCURACY) & _ends_a_tie(ordered)).nonzero()
    if len(enough) == 0:
        return 1.0
    return float(ordered[enough[-1]])


def conformal_threshold(true_probability: Tensor) -> float:
    """The probability from which on labels belong to the set.

    Split conformal prediction with the least ambiguous sets. Source: Sadinle et al., "Least
    Ambiguous Set-Valued Classifiers With Bounded Error Levels", 2019.

    Args:
        true_probability: float `[N]`, of the right label.
    """
    count = len(true_probability)
    rank = math.floor((count + 1) * (1 - COVERAGE))  # as many may be left out
    if rank < 1:
        return 0.0
    return float(true_probability.sort()[0][rank - 1])


def garment_threshold(garment: Tensor, is_garment: Tensor) -> float:
    """The threshold with the largest sum of garments kept and other things refused.

    Youden's index: it does not depend on how many of each there are.

    Args:
        garment: float `[N]`, probabilities of being a garment.
        is_garment: bool `[N]`, with both kinds among them.
    """
    order = garment.argsort()
    other = (~is_garment[order]).double()
    refused = other.cumsum(0) / other.sum()
    lost = (1 - other).cumsum(0) / (1 - other).sum()
    ends = garment[order]
    last = int((refused - lost).where(_ends_a_tie(ends), -math.inf).argmax())
    following = ends[min(last + 1, len(ends) - 1)]
    return float((ends[last] + following) / 2)


def calibrate(
    logits: Tensor,
    labels: Tensor,
    backgrounds: Tensor,
    before: Mapping[Background, Calibration] | None = None,
) -> dict[Background, Calibration]:
    """Fit everything that the artifact carries about its own certainty.

    Args:
        logits: float `[N, 10]`, or `[N, 11]` with `other` last.
        labels: int64 `[N]`.
        backgrounds: int64 `[N]`, places in `BACKGROUNDS`.
        before: what an artifact with this network carries; what these images say nothing about is
            kept of it.

    Raises:
        ValueError: the logits are more than those of the classes.
    """
    if logits.shape[1] not in (OTHER, OTHER + 1):
        raise ValueError(f"{logits.shape[1]} logits are not those of the classes")
    fitted = {}
    ours = labels < OTHER
    for index, (background, there) in enumerate(support(labels, backgrounds).items()):
        here = backgrounds == index
        enough = there.garments >= MIN_IMAGES
        if before is not None and not enough:
            fitted[background] = before[background]
            continue
        garments = ours & here if enough else ours
        of_garments = _fit(logits[garments][:, :OTHER], labels[garments], there.garments)
        both = min(there) >= MIN_IMAGES
        if before is not None and not both:
            # The two go together, and depend on the network's outputs alone: not on `temperature`.
            kept = before[background]
            temperature, threshold = kept.garment_temperature, kept.garment_threshold
        else:
            chosen = here if both else torch.ones_like(here)
            temperature, threshold = _fit_garment(logits[chosen], labels[chosen])
        fitted[background] = of_garments.model_copy(
            update={"garment_temperature": temperature, "garment_threshold": threshold}
        )
    return fitted


def _ends_a_tie(ordered: Tensor) -> Tensor:
    """Where the next value is another one: of equal values a limit takes all or none."""
    return torch.cat([ordered[:-1] != ordered[1:], torch.tensor([True])])


def _temperature(logits: Tensor, labels: Tensor) -> float:
    return fit_temperature(logits, labels) if len(labels) >= MIN_IMAGES else 1.0


def _fit(logits: Tensor, labels: Tensor, images: int) -> Calibration:
    """What is told of the ten categories, from logits `[N, 10]` of garments alone."""
    temperature = _temperature(logits, labels)
    probabilities = confidences(logits, torch.tensor(temperature))
    confidence, answer = probabilities.max(dim=1)
    return Calibration(
        temperature=temperature,
        review_confidence=review_confidence(confidence, answer == labels),
        review_margin=REVIEW_MARGIN,
        conformal_threshold=conformal_threshold(probabilities.gather(1, labels[:, None])[:, 0]),
        images=images,
    )


def _fit_garment(logits: Tensor, labels: Tensor) -> tuple[float, float | None]:
    """Temperature and threshold of being a garment, from garments and other things."""
    if logits.shape[1] == OTHER:
        return 1.0, None
    temperature = _temperature(logits, labels)
    garment = 1 - (logits.float() / temperature).softmax(dim=1)[:, OTHER]
    is_garment = labels < OTHER
    both = bool(is_garment.any() and (~is_garment).any())
    return temperature, garment_threshold(garment, is_garment) if both else 0.5
