"""Train ResNet18 or VGG-16, watch it while it learns, and leave an artifact behind.

Prints one JSON line per epoch; writes history.jsonl, TensorBoard's files, a checkpoint after each
epoch (and on SIGTERM or Ctrl-C) and, at the end, the artifact model.pt. Started again with
--resume it goes on from the checkpoint to the same result as if it had not been interrupted.
This file is also SageMaker's entry point, and torchrun's for several processes.

    python -m training train --data data/fashion-mnist --output runs/first
    torchrun --nproc-per-node 2 training/train.py --data data/fashion-mnist --output runs/two
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

if __name__ == "__main__":  # started as a file: the project's root is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from app.artifact import CATEGORIES
from training import checkpoint
from training.card import Provenance, sources_of
from training.datasets import FOLDERS, Split, find_splits, load_split
from training.diagnose import Diagnosis, Finding, TrainingStopped
from training.distributed import Processes, processes
from training.errors import DataError, TrainingError
from training.export import export
from training.networks import build_network
from training.options import Options, add_arguments, from_arguments
from training.profiling import Profile
from training.trainer import RunInterrupted, Trainer

__all__ = ["add_arguments", "run"]

INTERRUPTED = 143
"""Exit status after SIGTERM or Ctrl-C, with the checkpoint written."""


def run(arguments: argparse.Namespace) -> int:
    """Train and export; the exit status is `INTERRUPTED` after SIGTERM, 1 after a stop."""
    options = from_arguments(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with processes() as group:
        return _train(options, group)


def splits_of(options: Options) -> dict[str, Path]:
    """The splits of `--data`, or those that SageMaker mounted as channels.

    A channel is one split (`train`, `valid`, `test`) or the whole of the prepared data (any other
    name); it holds class folders or a pack.
    """
    if options.data is not None:
        return find_splits(options.data)
    channels = {
        name.removeprefix("SM_CHANNEL_").lower(): Path(value)
        for name, value in os.environ.items()
        if name.startswith("SM_CHANNEL_")
    }
    found: dict[str, Path] = {}
    for name, path in channels.items():
        if name in ("train", "valid", "test") and not (path / "train").exists():
            pack = path / f"{name}.zip"
            found[name] = pack if pack.exists() else path
        else:
            found |= find_splits(path)
    if not found:
        raise DataError("no data: give --data, or start this on SageMaker with a channel")
    return found


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """bfloat16 where the processor is made for it; elsewhere it would be slower than float32."""
    if wanted == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            known = torch.cpu.get_capabilities()
            fast = bool(known.get("amx_bf16") or known.get("avx512_bf16"))
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def _train(options: Options, group: Processes) -> int:
    def say(text: str, stream: TextIO = sys.stdout) -> None:
        if group.is_first:
            print(text, file=stream, flush=True)

    def report(finding: Finding) -> None:
        where = f"{finding.severity}: {finding.rule} at step {finding.step}"
        say(f"{where}: {finding.message} {finding.advice}", sys.stderr)

    paths = splits_of(options)
    for needed in ("train", "valid"):
        if needed not in paths:
            raise DataError(f"training needs a {needed!r} split, and there is none")
    splits = {name: load_split(paths[name], progress=group.is_first) for name in ("train", "valid")}
    _check_classes(splits["train"], splits["valid"])
    rejects = bool((splits["train"].labels == len(CATEGORIES)).any())
    torch.manual_seed(options.seed)
    network = build_network(options.architecture, len(CATEGORIES) + rejects, options.pretrained)
    if options.start_from is not None:
        checkpoint.start_from(network, options.start_from)
    precision = choose_precision(options.precision, group.device)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    say(
        f"{options.architecture}, {parameters:,} parameters; {len(splits['train']):,} images to "
        f"train on, {len(splits['valid']):,} to watch; {group.world} x {group.device.type}, "
        f"{str(precision).removeprefix('torch.')}"
    )
    options.output.mkdir(parents=True, exist_ok=True)
    diagnosis = None
    if options.diagnose != "off":
        diagnosis = Diagnosis(network, report, stop=options.diagnose == "stop")
    with Profile(options.profile if group.is_first else None) as profile:
        trainer = Trainer(network, splits, options, group, diagnosis, profile, precision)
        if diagnosis is not None:
            counts = splits["train"].labels.bincount().tolist()
            present = {FOLDERS[label]: count for label, count in enumerate(counts) if count}
            diagnosis.check_data(present, balanced=trainer.train.balanced)
        if options.resume and trainer.resume():
            say(f"resumed after epoch {len(trainer.history)}, step {trainer.step:,}")
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: setattr(trainer, "interrupted", True))
        try:
            trainer.fit()
        except RunInterrupted:
            say(f"interrupted; the checkpoint is in {options.checkpoint_dir}: --resume goes on")
            return INTERRUPTED
        except TrainingStopped as stopped:
            say(f"the run was stopped: {stopped}", sys.stderr)
            return 1
        finally:
            if diagnosis is not None:
                diagnosis.close()
    if group.is_first:
        told = Provenance(
            options.version,
            options.architecture,
            options.hyperparameters(),
            options.command,
            sources_of(paths),
        )
        export(trainer.average.module, paths, told, options.model_dir / "model.pt")
    group.wait()
    return 0


def _check_classes(train: Split, valid: Split) -> None:
    in_train = set(train.labels.unique().tolist())
    extra = [FOLDERS[i] for i in valid.labels.unique().tolist() if i not in in_train]
    if extra:
        raise DataError(f"the valid split has classes that train lacks: {', '.join(extra)}")


def main() -> int:
    """The entry point when this file itself is started (SageMaker, torchrun)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
