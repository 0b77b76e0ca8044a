"""Say which of several artifacts is best: accuracy on each source, size and speed side by side.

Give the artifacts to compare, or --train to train ResNet18 and VGG-16 first on the same data; what
stands after -- is then handed to `train`, for both. Writes compare.html, compare.json and
compare.png.

    python -m training compare runs/a/model.pt runs/b/model.pt --data data/fashion-mnist
    python -m training compare --train --data data/fashion-mnist --data data/home -- --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import open_artifact
from app.card import CATEGORIES
from training import child
from training.command import INTERRUPTED, command_line, output_folder, positive, writable
from training.data.datasets import FOLDERS, OTHER, class_ids, open_images
from training.data.folder_names import SPLITS
from training.data.loading import load_split
from training.errors import DataError
from training.measurement.comparison import Candidate, Comparison, Effort, compare
from training.measurement.evaluation import Evaluation, Evaluations, identity, measure, one_split_of
from training.measurement.prediction import predict
from training.measurement.speed import hardware, measure_speed
from training.networks import ARCHITECTURES
from training.releases.packed import model_file
from training.reports import plots
from training.reports.comparison import compare_report
from training.reports.page import write_report
from training.wording import percent

__all__ = ["add_arguments", "run"]

REPEATS = {1: 30, 32: 10}
"""How often each batch size is timed."""

HISTORY = "history.jsonl"
"""What `train` leaves beside the artifact: a line for each epoch."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="artifacts, two or more: a model.pt or a model.tar.gz, here or on S3; with --train, "
        "after --, arguments for train",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="folder of prepared data, one source; repeat it for several",
    )
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--output", type=output_folder, default=Path("reports/compare"), help="default: %(default)s"
    )
    parser.add_argument(
        "--train",
        action="store_true",
        help=f"train {' and '.join(ARCHITECTURES)} first, into folders of the output",
    )
    parser.add_argument("--epochs", type=positive, help="with --train: how many")
    parser.add_argument("--batch-size", type=positive, default=128, help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Compare; the exit status is that of `train` where a training fails."""
    output: Path = arguments.output
    names: list[str] = arguments.models
    if not arguments.train:
        if len(names) < 2:
            raise DataError("give two artifacts or more, or --train to train them first")
        if arguments.epochs:
            raise DataError("--epochs is for --train: artifacts are compared as they are")
    splits = one_split_of(arguments.data, arguments.split)  # before a training of hours
    _check_garments(splits)
    writable(output)
    if arguments.train:
        names = []
        for architecture in ARCHITECTURES:
            folder = output / architecture
            extra = ["--epochs", str(arguments.epochs)] if arguments.epochs else []
            status = child.train(architecture, arguments.data, folder, [*extra, *arguments.models])
            if status == INTERRUPTED:
                print("the same command with --resume after -- goes on")
                return status
            if status:
                print(f"error: training {architecture} failed, see above", file=sys.stderr)
                return status
            names.append(str(folder / "model.pt"))
    with contextlib.ExitStack() as stack:
        models = [(name, stack.enter_context(model_file(name))) for name in names]
        comparison = _compare(models, splits, arguments.split, arguments.batch_size)
    (output / "compare.json").write_text(comparison.model_dump_json(indent=1) + "\n")
    picture = plots.trade_off(
        comparison.titles,
        {
            source: [
                (entry.figures.accuracy, entry.intervals.accuracy)
                for entry in (candidate.sources[place] for candidate in comparison.candidates)
            ]
            for place, source in enumerate(splits)
        },
        [candidate.milliseconds[1] for candidate in comparison.candidates],
    )
    (output / "compare.png").write_bytes(picture)
    page = output / "compare.html"
    write_report(compare_report(comparison, picture, command_line()), page)
    print(table(comparison))
    print(f"\nreport: {page}")
    return 0


def _check_garments(splits: dict[str, Path]) -> None:
    for source, path in splits.items():
        if set(class_ids(open_images(path)).values()) == {FOLDERS.index(OTHER)}:
            raise DataError(
                f"{source} has no image of the ten categories to compare the artifacts on: leave "
                "it out; `evaluate` measures such a source"
            )


def _compare(
    models: Sequence[tuple[str, Path]], splits: dict[str, Path], name: str, batch_size: int
) -> Comparison:
    """Of models by what the user calls each, with the file that it is."""
    paths = [path for _, path in models]
    artifacts = [open_artifact(path) for path in paths]
    efforts = [effort(path) for path in paths]
    speeds = {batch: measure_speed(paths, batch, repeats) for batch, repeats in REPEATS.items()}
    measured: list[list[Evaluation]] = [[] for _ in paths]
    right: dict[str, list[NDArray[np.bool_]]] = {}
    for source, path in splits.items():
        split = load_split(path)
        labels = split.labels.numpy()
        ours = labels < len(CATEGORIES)
        right[source] = []
        for artifact, evaluations in zip(artifacts, measured, strict=True):
            predictions = predict(artifact.path, split.images, "float32", batch_size)
            evaluations.append(measure(artifact, source, split, predictions))
            answers = predictions.answers.probabilities.argmax(axis=1)
            right[source].append((answers == labels)[ours])
    candidates = [
        Candidate(
            path=models[index][0],
            evaluations=Evaluations(
                model=identity(artifact), split=name, precision="float32", sources=measured[index]
            ),
            milliseconds={batch: speed[index].milliseconds for batch, speed in speeds.items()},
            ratios={batch: speed[index].ratio for batch, speed in speeds.items()},
            training=efforts[index],
        )
        for index, artifact in enumerate(artifacts)
    ]
    return compare(candidates, right, hardware())


def effort(model: Path) -> Effort | None:
    """What the training of an artifact took, by the history beside it; None without one.

    Raises:
        DataError: what lies there is no history of `train`.
    """
    history = model.with_name(HISTORY)
    if not history.exists():
        return None
    try:
        seconds = [json.loads(line)["seconds"] for line in history.read_text().splitlines()]
        return Effort(epochs=len(seconds), seconds=sum(seconds))
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{history}: not what train writes there: {error!r}") from error


def table(comparison: Comparison) -> str:
    """The comparison as a few lines of text, each accuracy in its source's column."""
    candidates = comparison.candidates
    names = [entry.source for entry in candidates[0].sources]
    width = max(map(len, comparison.titles))
    columns = [*names, "mean"] if len(names) > 1 else names
    header = "".join(f" {name:>{max(9, len(name))}}" for name in columns)
    lines = [f"{'':<{width}}{header} {'MB':>7} {'ms, 1':>8} {'ms, 32':>8} {'trained':>9}"]
    for candidate, title in zip(candidates, comparison.titles, strict=True):
        accuracies = [entry.figures.accuracy for entry in candidate.sources]
        accuracies += [candidate.accuracy] if len(names) > 1 else []
        cells = "".join(
            f" {percent(accuracy, 2):>{max(9, len(name))}}"
            for accuracy, name in zip(accuracies, columns, strict=True)
        )
        spent = candidate.training
        lines.append(
            f"{title:<{width}}{cells} {candidate.evaluations.model.bytes / 1e6:>7.1f} "
            f"{candidate.milliseconds[1]:>8.1f} {candidate.milliseconds[32]:>8.1f} "
            f"{f'{spent.seconds:,.0f} s' if spent else percent(None):>9}"
        )
    return "\n".join([*lines, "", comparison.verdict])
