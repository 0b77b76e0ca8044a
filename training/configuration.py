"""Flags in a file: `train --config FILE`, as `cloud tune` writes one of its best trial."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from training.errors import TrainingError

CONFIG_HELP = 'JSON of flags without their dashes, such as {"learning-rate": 0.05}'


def with_config(argv: Sequence[str]) -> list[str]:
    """The command line with `--config FILE` replaced by the flags in it, which others override.

    Args:
        argv: the arguments; a command's name may stand first.

    Raises:
        TrainingError: the file cannot be read, or is no JSON object of flags and single values.
    """
    rest: list[str] = []
    flags: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name != "--config":
            rest.append(word)
            continue
        file = value if equals else next(words, "")
        if not file:
            raise TrainingError(f"--config: name the file, {CONFIG_HELP}")
        flags |= _flags(Path(file))
    # Of a flag that is given twice, argparse takes the later one; but --data it collects.
    if any(word.partition("=")[0] == "--data" for word in rest):
        flags.pop("data", None)
    first = 1 if rest and not rest[0].startswith("-") else 0
    return rest[:first] + [f"--{name}={text}" for name, text in flags.items()] + rest[first:]


def self_contained(argv: Sequence[str]) -> list[str]:
    """The command line that does the same from scratch: without `--config` and `--resume`.

    Raises:
        TrainingError: see `with_config`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--resume", nargs="?")
    return parser.parse_known_args(with_config(argv))[1]


def _flags(file: Path) -> dict[str, str]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TrainingError(f"--config {file}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise TrainingError(f"--config {file}: expected {CONFIG_HELP}")
    if "config" in values:
        raise TrainingError(f"--config {file}: a file of flags cannot name another")
    for name, value in values.items():
        if not isinstance(value, str | int | float | bool):
            raise TrainingError(f"--config {file}: {name} must be one value, not {value!r}")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
