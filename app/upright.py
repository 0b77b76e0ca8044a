"""Whether a photo is to be turned, by what the model says of it as it is and turned upright.

Some things look alike on their head, and few photos lie. So the odds of both looks are multiplied,
and the photo is turned only where they outweigh how rarely one lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WAYS = 4
"""In which a photo may lie, upright among them."""

RARITY = 150
"""About so many upright photos are expected for each that lies in one of the three other ways."""


def turns_upright(ways: Sequence[float]) -> int:
    """The quarter turns, clockwise, that most likely make an image upright.

    Args:
        ways: logits, or log-probabilities, of needing none, one, two and three of them.
    """
    return max(range(len(ways)), key=ways.__getitem__)


def is_better(turns: int, before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether an image is to be turned by `turns` quarters, by the ways of both looks at it."""
    if turns_upright(after) != 0:
        return False
    first = before[turns] - before[0]
    second = after[0] - after[-turns % WAYS]  # which is how it was before
    return first + second >= math.log(RARITY)
