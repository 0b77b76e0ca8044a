"""One number that makes the confidences of a network mean what they say."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number that the logits are divided by for the least loss.

    Where all answers are right, that loss only falls as the temperature does: the next wrong one
    would be given as certain. So no right answer counts as wholly right, nor a wrong one as wholly
    wrong: of n it is (n + 1/2) / (n + 1), the rest goes to the likeliest of the other classes.

    Sources: Guo et al., "On Calibration of Modern Neural Networks", 2017. Such targets: Platt,
    "Probabilistic Outputs for Support Vector Machines", 1999; with 1/2 for his 1, which moves less
    where there are many images: Krichevsky and Trofimov, "The Performance of Universal Encoding",
    1981.

    Args:
        logits: float `[N, C]`.
        labels: int64 `[N]`.
    """
    # Optimised as a logarithm, so that it stays above zero.
    logarithm = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], max_iter=100, line_search_fn="strong_wolfe")
    logits = logits.detach().float()
    right = logits.argmax(dim=1) == labels
    alike = torch.where(right, right.sum(), (~right).sum())  # as many are right, or wrong
    doubt = 0.5 / (alike + 1)
    rivals = logits.scatter(1, labels[:, None], -torch.inf).argmax(dim=1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        scaled = logits / logarithm.exp()
        truth = F.cross_entropy(scaled, labels, reduction="none")
        rival = F.cross_entropy(scaled, rivals, reduction="none")
        loss = torch.lerp(truth, rival, doubt).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(logarithm.detach().exp().clamp(0.05, 20))
