"""Sources as flags name them: `home=4,fashion-mnist=0.5`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from training.errors import DataError


def channel_name(source: str) -> str:
    """What a source is called in a job: SM_CHANNEL_NAME is a variable of a shell."""
    return re.sub(r"\W", "_", source).lower()


def named_numbers(
    text: str, names: Sequence[str], what: str, most: float = math.inf
) -> dict[str, float]:
    """Read `NAME=NUMBER,NAME=NUMBER`, of numbers from 0 to `most`.

    The same flags are right on a laptop and in a job: `fashion_mnist` is also the source
    `fashion-mnist`, and the other way round.

    Raises:
        DataError: it is something else, or names a source that is not among `names`.
    """
    numbers: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        given, _, number = part.partition("=")
        meant = [name for name in names if name == given.strip()] or [
            name for name in names if channel_name(name) == channel_name(given.strip())
        ]
        if not meant:
            raise DataError(f"{what}: no source is named {given!r}; there are {', '.join(names)}")
        if len(meant) > 1 or meant[0] in numbers:
            raise DataError(f"{what}: {given!r} is not the only name of {' and of '.join(meant)}")
        try:
            value = float(number)
        except ValueError:
            raise DataError(f"{what}: {part!r} is not NAME=NUMBER") from None
        if not (math.isfinite(value) and 0 <= value <= most):
            limit = "0 on" if math.isinf(most) else f"0 to {most:g}"
            raise DataError(f"{what}: {part!r} is not a number from {limit}")
        numbers[meant[0]] = value
    return numbers
