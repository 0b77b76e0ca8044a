"""What the commands have in common on the command line."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.card import Version

INTERRUPTED = 143
"""Exit status of `train` after SIGTERM or Ctrl-C, with the checkpoint written."""


def positive(text: str) -> int:
    """A count above zero, as the type of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def version(text: str) -> str:
    """A version as artifacts may have it."""
    try:
        return TypeAdapter[str](Version).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no version: up to 64 letters, digits, dots, hyphens, such as 1.0.0"
        ) from None


def switch(text: str) -> bool:
    """A truth value as SageMaker passes it (`--pretrained true`)."""
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise argparse.ArgumentTypeError(f"expected true or false, not {text!r}")


def number(kind: type[int] | type[float], low: float, high: float) -> Any:
    """A number of a kind from `low` to `high`, as the type of an argument."""

    def parse(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low:g} to {high:g}")
        return value

    return parse


def output_folder(text: str) -> Path:
    """A folder to write to, which need not exist yet, as the type of an argument."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a file: name a folder")
    return path


def writable(folder: Path) -> None:
    """Make a folder for what a command will write, and write to it, before the long work.

    Raises:
        OSError: it cannot be made, or nothing be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def output_file(text: str) -> Path:
    """A file to write to, as the type of an argument."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: name a file")
    return path


def command_line() -> str:
    """The command that is running, for the foot of a report."""
    return shlex.join(["python", "-m", "training", *sys.argv[1:]])
