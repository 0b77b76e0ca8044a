"""Flags of `train` as the hyperparameters of a SageMaker job, checked before a job costs money.

Both of SageMaker's ways of starting a script read a value as JSON where it is some, and hand it
over as `--NAME VALUE`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from training.errors import CloudError

CONTAINER = ("data", "output", "model-dir", "checkpoint-dir", "config", "start-from", "teachers")
"""Flags of `train` that name folders: in a job the container has its own."""

Hyperparameters = dict[str, str]


def hyperparameters(flags: Sequence[str]) -> Hyperparameters:
    """The hyperparameters that flags of `train` amount to; a switch alone is `true`.

    Raises:
        CloudError: a flag does not exist, has a wrong value, or makes no sense in a job.
    """
    found: Hyperparameters = {}
    words = list(flags)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise CloudError(f"{word!r} is no flag of train; write --NAME VALUE")
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("--") else "true"
        found[name] = value
    check(found)
    return found


def check(found: Hyperparameters) -> None:
    """What `train` would say to these flags, and what SageMaker would make of them.

    Raises:
        CloudError: see `hyperparameters`.
    """
    for name, value in found.items():
        if name in CONTAINER:
            raise CloudError(f"--{name} cannot be passed on: the job's container has its own")
        if name == "resume":
            raise CloudError(
                "--resume cannot be passed on: a job goes on from the checkpoint that "
                "--checkpoints names, and from its own after its instance was taken away"
            )
        if "'" in value or "\n" in value or len(value) > 256:
            raise CloudError(f"--{name}: SageMaker takes 256 characters, no quotes or new lines")
        if name == "version" and _arrives(value) != value:
            raise CloudError(
                f"--version {value} would arrive as {_arrives(value)}; write it with two dots, "
                "such as 1.10.0"
            )
    from training.flags import add_arguments  # brings torch

    parser = _Parser(prog="train", add_help=False, allow_abbrev=False)
    add_arguments(parser)
    parser.parse_args(["--output=unused", *(f"--{name}={value}" for name, value in found.items())])


def _arrives(value: str) -> str:
    try:
        return json.dumps(json.loads(value))
    except ValueError:
        return value


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # it does not return
        raise CloudError(f"train would refuse this: {message}")
