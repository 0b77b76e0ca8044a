"""Make the probabilities mean what they say, and set the limits of a model, on valid splits.

Photos of a catalogue are easy and photos taken at home are not, and one limit for both would be
too strict for the one and too loose for the other. Which of them an image is shows in its
background (`GarmentModel.backgrounds`), so everything is fitted for each background by itself.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from app.artifact import BACKGROUNDS, CATEGORIES, Background, Calibration

ACCEPTED_ACCURACY = 0.98
"""How often the answers that no person needs to look at are to be right."""

COVERAGE = 0.95
"""How often the set of labels is to hold the right one."""

REVIEW_MARGIN = 0.1
"""First and second closer than this are nearly a tie, whatever the confidence."""

MIN_IMAGES = 100
"""With fewer garments (or other things) of a background, it takes the limits of all images."""

OTHER = len(CATEGORIES)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number that the logits are divided by for the least loss.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017.

    Args:
        logits: float `[N, C]`.
        labels: int64 `[N]`.
    """
    # Optimised as a logarithm, so that it stays above zero.
    logarithm = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], max_iter=100, line_search_fn="strong_wolfe")
    logits = logits.detach().float()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / logarithm.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(logarithm.detach().exp().clamp(0.05, 20))


def review_confidence(confidence: Tensor, right: Tensor) -> float:
    """The least confidence from which on the answers are right often enough.

    Args:
        confidence: float `[N]`, of each answer.
        right: bool `[N]`, whether it was right.
    """
    order = confidence.argsort(descending=True)
    accuracy = right[order].double().cumsum(0) / torch.arange(1, len(order) + 1)
    enough = (accuracy >= ACCEPTED_ACCURACY).nonzero()
    if len(enough) == 0:
        return 1.0
    return float(confidence[order][enough[-1]])


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
    last = int((refused - lost).argmax())
    ends = garment[order]
    following = ends[min(last + 1, len(ends) - 1)]
    return float((ends[last] + following) / 2)


def calibrate(logits: Tensor, labels: Tensor, backgrounds: Tensor) -> dict[Background, Calibration]:
    """Fit everything that the artifact carries about its own certainty.

    Args:
        logits: float `[N, 10]`, or `[N, 11]` with `other` last.
        labels: int64 `[N]`.
        backgrounds: int64 `[N]`, places in `BACKGROUNDS`.
    """
    fitted = {}
    for index, background in enumerate(BACKGROUNDS):
        ours, others = labels < OTHER, labels == OTHER
        here = backgrounds == index
        garments = ours & here if int((ours & here).sum()) >= MIN_IMAGES else ours
        both = here & (ours | others)
        enough = min(int((both & ours).sum()), int((both & others).sum())) >= MIN_IMAGES
        fitted[background] = _fit(
            logits[garments],
            labels[garments],
            logits[both] if enough else logits,
            labels[both] if enough else labels,
            int((ours & here).sum()),
        )
    return fitted


def _fit(
    logits: Tensor, labels: Tensor, all_logits: Tensor, all_labels: Tensor, images: int
) -> Calibration:
    """From garments alone, and from garments and other things."""
    temperature = fit_temperature(logits[:, :OTHER], labels)
    probabilities = (logits[:, :OTHER].float() / temperature).softmax(dim=1)
    confidence, answer = probabilities.max(dim=1)
    garment_temperature, threshold = 1.0, None
    if all_logits.shape[1] > OTHER:
        garment_temperature = fit_temperature(all_logits, all_labels)
        garment = 1 - (all_logits.float() / garment_temperature).softmax(dim=1)[:, OTHER]
        is_garment = all_labels < OTHER
        both = bool(is_garment.any() and (~is_garment).any())
        threshold = garment_threshold(garment, is_garment) if both else 0.5
    return Calibration(
        temperature=temperature,
        garment_temperature=garment_temperature,
        review_confidence=review_confidence(confidence, answer == labels),
        review_margin=REVIEW_MARGIN,
        garment_threshold=threshold,
        conformal_threshold=conformal_threshold(probabilities.gather(1, labels[:, None])[:, 0]),
        images=images,
    )
