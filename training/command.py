"""What the commands that report have in common on the command line."""

from __future__ import annotations

import argparse
import shlex
import sys


def positive(text: str) -> int:
    """A count above zero, as the type of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def command_line() -> str:
    """The command that is running, for the foot of a report."""
    return shlex.join(["python", "-m", "training", *sys.argv[1:]])
