"""Made-up answers of a model."""

from __future__ import annotations

import numpy as np


def sure(answers: list[int], confidence: float = 0.91) -> np.ndarray:
    """Probabilities `[N, 10]` that give these answers, each with this confidence."""
    rows = np.full((len(answers), 10), (1 - confidence) / 9)
    rows[np.arange(len(answers)), answers] = confidence
    return rows
