"""What SageMaker's containers tell a training run, and are told by it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from training.data.datasets import FOLDERS, find_splits, sources_of
from training.data.folder_names import SPLITS
from training.errors import DataError
from training.options import Options

CHANNELS = "channels"
"""Name of the source that SageMaker's channels `train`, `valid` and `test` make up."""

TOOLS = ("code", "sm_drivers", "start_from")
"""Channels that hold no data: SageMaker's own, and the artifact that `cloud train` starts from."""


def data_of(options: Options) -> dict[str, dict[str, Path]]:
    """The sources by name, each with its splits: of `--data`, or of SageMaker's channels.

    A channel is one split of a source (`train`, `valid`, `test`) or the whole of a source (any
    other name); it holds class folders or packs.

    Raises:
        DataError: there is no data, or two sources have one name.
    """
    if options.data:
        return sources_of(options.data)
    channels = {
        name.removeprefix("SM_CHANNEL_").lower(): Path(value)
        for name, value in os.environ.items()
        if name.startswith("SM_CHANNEL_")
    }
    # Sorted, so that a job that is started again has its sources in the same order.
    channels = {name: channels[name] for name in sorted(channels) if name not in TOOLS}
    found: dict[str, dict[str, Path]] = {}
    for name, path in channels.items():
        if name in SPLITS and not (path / "train").exists():
            pack = path / f"{name}.zip"
            folders = [each for each in FOLDERS if (path / each).is_dir()]
            if pack.exists() and folders:
                raise DataError(f"{path} has both {pack.name} and {folders[0]}: remove one")
            found.setdefault(CHANNELS, {})[name] = pack if pack.exists() else path
        else:
            found[name] = find_splits(path)
    if not found:
        raise DataError("no data: give --data, or start this on SageMaker with a channel")
    return found


def tell_failure(message: str) -> None:
    """Write what becomes the job's FailureReason; without it, that is a traceback of SageMaker's.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
    """
    file = os.environ.get("SM_OUTPUT_FAILURE")
    if file:
        Path(file).write_text(f"{message}\n", encoding="utf-8")
    if "SM_MODULE_DIR" in os.environ:
        # The sagemaker-training toolkit writes that file itself, from what stderr says after the
        # name of one of Python's own exceptions.
        print(f"RuntimeError: {message}", file=sys.stderr, flush=True)
