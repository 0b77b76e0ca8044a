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
import signal
import sys
from pathlib import Path
from typing import TextIO

if __name__ == "__main__":  # started as a file: the project's root is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from app.artifact import ArtifactError
from training import checkpoint
from training.card import Provenance
from training.command import INTERRUPTED, writable
from training.configuration import with_config
from training.container import data_of, tell_failure
from training.data.datasets import FOLDERS
from training.data.folder_names import NEEDED
from training.data.loading import Split, load_split
from training.data.source_names import named_numbers
from training.diagnose import Diagnosis, Finding, TrainingStopped
from training.distributed import Processes, processes
from training.errors import DataError, TrainingError
from training.exporting import export
from training.flags import add_arguments, from_arguments
from training.lineage import data_source, learnt_from
from training.mixture import default_weights, mix
from training.networks import build_network
from training.objective import Objective
from training.options import Options
from training.precision import choose_precision
from training.profiling import Profile
from training.trainer import RunInterrupted, Trainer

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Train and export; the exit status is `INTERRUPTED` after SIGTERM, 1 after a stop."""
    options = from_arguments(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with processes() as group:
        return _train(options, group)


def _train(options: Options, group: Processes) -> int:
    def say(text: str, stream: TextIO = sys.stdout) -> None:
        if group.is_first:
            print(text, file=stream, flush=True)

    def report(finding: Finding) -> None:
        where = f"{finding.severity}: {finding.rule} at step {finding.step}"
        say(f"{where}: {finding.message} {finding.advice}", sys.stderr)

    if not options.resume:
        apart = options.checkpoint_dir != options.output
        checkpoint.check_unused(options.checkpoint_dir, "--checkpoint-dir" if apart else "--output")
    elif not (options.checkpoint_dir / checkpoint.FILE).exists():  # as in the first start of a job
        say(
            f"warning: --resume: there is no checkpoint in {options.checkpoint_dir}, so this run "
            "begins from the start",
            sys.stderr,
        )
    sources = data_of(options)
    for name, paths in sources.items():
        for needed in NEEDED:
            if needed not in paths:
                raise DataError(f"training needs a {needed!r} split, and {name} has none")

    def load(split: str) -> dict[str, Split]:
        return {
            name: load_split(paths[split], progress=group.is_first)
            for name, paths in sources.items()
        }

    names = list(sources)
    weights = named_numbers(options.weights, names, "--weights")
    strengths = named_numbers(options.augment_of, names, "--augment-of", most=1)
    seen = learnt_from(
        [data_source(name, paths) for name, paths in sources.items()],
        filter(None, [options.start_from, *options.teacher_names]),
        options.pretrained and options.start_from is None,
    )
    for folder in (options.output, options.model_dir, options.checkpoint_dir):
        writable(folder)  # before a long reading
    for paths in sources.values():
        if "test" in paths:  # it is read at the end: better to know now
            load_split(paths["test"], progress=group.is_first)
    train, valid = load("train"), load("valid")
    for name in sources:
        _check_classes(name, train[name], valid[name])
    for kind, splits in (("train", train), ("valid", valid)):
        if not any(split.has_garments for split in splits.values()):
            raise DataError(f"no {kind!r} split has an image of the ten categories")
    sizes = {name: len(split) for name, split in train.items()}
    mixture = mix(
        train,
        default_weights(sizes) | weights,
        dict.fromkeys(names, options.augment) | strengths,
        options.balance,
    )
    del train  # the mixture holds their images
    labels = mixture.split.labels
    if mixture.missing:
        forgotten = f", and what {options.start_from} knows of them is lost"
        say(
            f"warning: no source has images of {', '.join(mixture.missing)} to train on: the "
            f"result cannot tell them{forgotten if options.start_from else ''}",
            sys.stderr,
        )
    torch.manual_seed(options.seed)
    objective = Objective(mixture, options, group.device)
    network = build_network(options.architecture, objective.width, options.pretrained)
    if options.start_from is not None:
        left_out = checkpoint.start_from(network, options.start_from, objective.outputs)
        if left_out:
            say(
                f"{options.start_from} can tell that an image shows no garment; this run has no "
                "images of other, so its result cannot"
            )
    precision = choose_precision(options.precision, group.device)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    say(
        f"{options.architecture}, {parameters:,} parameters; {len(labels):,} images to train on, "
        f"{sum(map(len, valid.values())):,} to watch; {group.world} x {group.device.type}, "
        f"{str(precision).removeprefix('torch.')}"
    )
    diagnosis = None
    if options.diagnose != "off":
        stop, fresh = options.diagnose == "stop", options.start_from is None
        diagnosis = Diagnosis(network, report, stop=stop, fresh=fresh)
    with Profile(options.profile if group.is_first else None) as profile:
        trainer = Trainer(
            network, mixture, objective, valid, options, seen, group, diagnosis, profile, precision
        )
        if diagnosis is not None:
            counts = labels.bincount().tolist()
            present = {FOLDERS[label]: count for label, count in enumerate(counts) if count}
            diagnosis.check_data(present, balanced=options.balance != "off")
        if options.resume and trainer.resume():
            say(f"resumed after epoch {len(trainer.history)}, step {trainer.step:,}")
        before = {
            number: signal.signal(number, lambda *_: setattr(trainer, "interrupted", True))
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            trainer.fit()
        except RunInterrupted:
            say(f"interrupted; the checkpoint is in {options.checkpoint_dir}: --resume goes on")
            return INTERRUPTED
        except TrainingStopped as stopped:
            say(f"the run was stopped: {stopped}", sys.stderr)
            if group.is_first:
                tell_failure(f"the run was stopped: {stopped}")
            return 1
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if diagnosis is not None:
                diagnosis.close()
    if group.is_first:
        told = Provenance(
            options.version,
            options.architecture,
            options.hyperparameters(),
            options.command,
            seen,
            mixture.missing,
        )
        network = checkpoint.network_of(checkpoint.weights_of(options.checkpoint_dir))
        export(network, sources, told, options.model_dir / "model.pt")
    group.wait()
    return 0


def _check_classes(source: str, train: Split, valid: Split) -> None:
    in_train = set(train.labels.unique().tolist())
    extra = [FOLDERS[i] for i in valid.labels.unique().tolist() if i not in in_train]
    if extra:
        raise DataError(
            f"the valid split of {source} has classes that its train split lacks: "
            f"{', '.join(extra)}"
        )


def main() -> int:
    """The entry point when this file itself is started (SageMaker, torchrun)."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(with_config(sys.argv[1:])))
    except (TrainingError, ArtifactError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        tell_failure(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
