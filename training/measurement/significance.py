"""How far a figure that was measured on so many images can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
"""The ends between which a share lies with 95 % confidence."""

FEW = 100
"""With fewer images, the interval of a share can be 20 points wide."""


def wilson_interval(share: float, count: int) -> Interval:
    """The 95 % interval of a share that was measured on `count` images (Wilson, 1927)."""
    z = 1.959964
    scale = 1 + z**2 / count
    middle = (share + z**2 / (2 * count)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    # It holds the share itself, also where rounding would leave 1.0 just outside.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def mcnemar_p(right: NDArray[np.bool_], also_right: NDArray[np.bool_]) -> float:
    """McNemar's exact test: how likely two equally good models differ as much on the same images.

    Args:
        right: whether the one model was right, `[N]`.
        also_right: the same of the other, image by image.
    """
    only_one = int((right & ~also_right).sum())
    only_other = int((~right & also_right).sum())
    total, fewer = only_one + only_other, min(only_one, only_other)
    if total == 0:
        return 1.0
    # Python's integers are exact at any size, and so is their quotient.
    likelihood: float = 2 * sum(math.comb(total, k) for k in range(fewer + 1)) / 2**total
    return min(1.0, likelihood)
