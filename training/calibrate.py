"""Make the probabilities mean what they say, on a valid split."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from app.artifact import Calibration

ACCEPTED_ACCURACY = 0.98
"""How often the answers that no person needs to look at are to be right."""

REVIEW_MARGIN = 0.1
"""First and second closer than this are nearly a tie, whatever the confidence."""


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


def calibrate(logits: Tensor, labels: Tensor) -> Calibration:
    """Fit everything that the artifact carries about its own certainty.

    Args:
        logits: float `[N, 10]`, or `[N, 11]` with `other` last.
        labels: int64 `[N]`.
    """
    temperature = fit_temperature(logits, labels)
    ours = labels < 10
    confidence, answer = (logits[ours, :10] / temperature).softmax(dim=1).max(dim=1)
    return Calibration(
        temperature=temperature,
        review_confidence=review_confidence(confidence, answer == labels[ours]),
        review_margin=REVIEW_MARGIN,
        garment_threshold=0.5 if logits.shape[1] > 10 else None,
    )
