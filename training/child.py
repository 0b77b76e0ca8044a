"""Run `train` in a process of its own, which on Ctrl-C has the time to write its checkpoint."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from training.command import INTERRUPTED


def train(architecture: str, data: Sequence[Path], output: Path, extra: Sequence[str]) -> int:
    """The exit status of a training, once it has ended.

    Args:
        architecture: of the network.
        data: folders of prepared data.
        output: folder of the run.
        extra: more arguments for `train`.

    Raises:
        KeyboardInterrupt: Ctrl-C came where `train` had no checkpoint to write.
    """
    command = [sys.executable, "-m", "training", "train", "--architecture", architecture]
    for folder in data:
        command += ["--data", str(folder)]
    command += ["--output", str(output), *extra]
    print(f"training {architecture}: {' '.join(command[1:])}", flush=True)
    interrupted = False
    with subprocess.Popen(command) as child:  # noqa: S603  # our own command
        while True:
            try:
                status = child.wait()
                break
            except KeyboardInterrupt:
                # A terminal sends it to the child too, which ends after the step that it is at;
                # `subprocess.run` would kill it a quarter of a second later.
                interrupted = True
    if interrupted and status != INTERRUPTED:
        raise KeyboardInterrupt
    return status
