"""Which hyperparameters are tuned, and within which limits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from training.cloud.jobs.hyperparameters import CONTAINER, Hyperparameters, check
from training.errors import CloudError


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, on a scale of its logarithm or not, perhaps a whole one."""

    low: float
    high: float
    logarithmic: bool
    whole: bool = False


Choices = tuple[str, ...]
Ranges = dict[str, Range | Choices]


def ranges(given: Sequence[str], fixed: Hyperparameters) -> Ranges:
    """The ranges by flag: the usual ones, changed by `NAME=LOW:HIGH` or `NAME=A,B,C`.

    The usual ones lie around what `train` takes by itself for the other flags. One that is fixed by
    a flag is not tuned.

    Raises:
        CloudError: a text is neither, a limit makes no sense, or the flag is fixed too.
    """
    found = _usual(fixed)
    for text in given:
        name, _, limits = text.partition("=")
        if name in fixed:
            raise CloudError(f"--range {name}: it is fixed by --{name} too")
        if name not in found:
            raise CloudError(f"--range {name}: only {', '.join(found)} can be tuned here")
        found[name] = _read(name, text, limits)
    ours = {name: limits for name, limits in found.items() if name not in fixed}
    if not ours:
        raise CloudError("nothing is left to tune: every hyperparameter is fixed by a flag")
    return ours


def _usual(fixed: Hyperparameters) -> Ranges:
    from training.flags import add_arguments, from_arguments  # brings torch

    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    flags = [
        f"--{name}={value}"
        for name, value in fixed.items()
        if name not in CONTAINER or name == "start-from"
    ]
    options = from_arguments(parser.parse_args(["--output=unused", *flags]))
    rate, decay = options.learning_rate, options.weight_decay
    return {
        "learning-rate": Range(_round(rate / 10), _round(rate * 3), logarithmic=True),
        "batch-size": ("64", "128", "256"),
        "weight-decay": Range(_round(decay / 50), _round(decay * 10), logarithmic=True),
        "augment": Range(0.0, 1.0, logarithmic=False),
    }


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _read(name: str, text: str, limits: str) -> Range | Choices:
    separator = ":" if ":" in limits else ","
    parts = tuple(filter(None, limits.split(separator)))
    if len(parts) < 2 or (separator == ":" and len(parts) > 2):
        raise CloudError(f"--range {text!r}: write NAME=LOW:HIGH or NAME=A,B,C")
    for part in parts:
        try:
            check({name: part})
        except CloudError as error:
            raise CloudError(f"--range {text!r}: {error}") from error
    if separator == ",":
        return parts
    low, high = map(float, parts)
    if low >= high:
        raise CloudError(f"--range {text!r}: LOW is not below HIGH")
    # What may grow a hundredfold is searched by its logarithm.
    logarithmic = low > 0 and high / low >= 10
    return Range(low, high, logarithmic, whole=name == "batch-size")
