"""The training image's entry point: `python -m training`, and SageMaker's `train`.

SageMaker starts an image that brings its own program with the one argument `train`, and tells the
rest by files below /opt/ml. Here they become what the command takes. So the trials of `training
cloud tune` start, if they are to run in this image: they run the code that lies in it. The jobs of
`training cloud train` bring their code and how it is started, and do not come through here.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

ML = Path("/opt/ml")


def variables(ml: Path) -> dict[str, str]:
    """The folders of a job: its channels, and what SageMaker uploads when it ends."""
    channels = json.loads((ml / "input/config/inputdataconfig.json").read_text(encoding="utf-8"))
    return {
        **{f"SM_CHANNEL_{name.upper()}": str(ml / "input/data" / name) for name in channels},
        "SM_MODEL_DIR": str(ml / "model"),
        "SM_OUTPUT_DATA_DIR": str(ml / "output/data"),
        "SM_OUTPUT_FAILURE": str(ml / "output/failure"),
    }


def flags(hyperparameters: Mapping[str, str]) -> list[str]:
    """Hyperparameters as flags: {"batch-size": "64"} is --batch-size=64.

    Those for AWS's own containers, and what a tuning adds, are left out.
    """
    return [
        f"--{name.replace('_', '-')}={unquoted(value)}"
        for name, value in hyperparameters.items()
        if not name.startswith(("sagemaker_", "_"))
    ]


def unquoted(value: str) -> str:
    """SageMaker's SDKs send words as JSON: "sgd" with its quotes."""
    try:
        word = json.loads(value)
    except ValueError:
        return value
    return word if isinstance(word, str) else value


def command(arguments: list[str], ml: Path = ML) -> tuple[list[str], dict[str, str]]:
    """What to start, and the environment's additions."""
    start = [sys.executable, "-m", "training", *arguments]
    if arguments != ["train"] or not (ml / "input/config/inputdataconfig.json").exists():
        return start, {}
    said = ml / "input/config/hyperparameters.json"
    hyperparameters = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
    return [*start, *flags(hyperparameters)], variables(ml)


if __name__ == "__main__":
    words, added = command(sys.argv[1:])
    # In this process's place, so that SIGTERM reaches the training.
    os.execve(words[0], words, os.environ | added)  # noqa: S606
