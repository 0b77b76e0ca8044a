"""Say which of several artifacts is best on one split: accuracy, size and speed side by side.

Give the artifacts to compare, or --train to train ResNet18 and VGG-16 first; what stands after --
is then handed to `train`. Writes compare.html, compare.json and compare.png.

    python -m training compare runs/a/model.pt runs/b/model.pt --data data/fashion-mnist
    python -m training compare --train --data data/fashion-mnist --epochs 8 -- --seed 1
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app.artifact import open_artifact
from training.command import command_line, positive
from training.comparison import Candidate, Comparison, compare
from training.datasets import SPLITS, load_split, split_path
from training.errors import DataError
from training.evaluation import measure, predict
from training.networks import ARCHITECTURES
from training.reports import plots
from training.reports.comparison import compare_report
from training.reports.page import percent, write_report
from training.speed import hardware, measure_speed

__all__ = ["add_arguments", "run"]

REPEATS = {1: 30, 32: 10}
"""How often each batch size is timed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="artifacts, two or more; with --train, after --, arguments for train",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of prepared data")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("reports/compare"), help="default: %(default)s"
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
    if arguments.train:
        paths = []
        for architecture in ARCHITECTURES:
            folder = output / architecture
            extra = ["--epochs", str(arguments.epochs)] if arguments.epochs else []
            status = _train(architecture, arguments.data, folder, [*extra, *arguments.models])
            if status:
                print(f"error: training {architecture} failed, see above", file=sys.stderr)
                return status
            paths.append(folder / "model.pt")
    else:
        paths = [Path(model) for model in arguments.models]
        if len(paths) < 2:
            raise DataError("name two artifacts or more, or give --train to make them")
        if arguments.epochs:
            raise DataError("--epochs is for --train: artifacts are compared as they are")
    comparison = _compare(paths, arguments)
    output.mkdir(parents=True, exist_ok=True)
    (output / "compare.json").write_text(comparison.model_dump_json(indent=1) + "\n")
    picture = plots.trade_off(
        [candidate.title for candidate in comparison.candidates],
        [candidate.evaluation.figures.accuracy for candidate in comparison.candidates],
        [candidate.evaluation.accuracy_interval for candidate in comparison.candidates],
        [candidate.milliseconds[1] for candidate in comparison.candidates],
    )
    (output / "compare.png").write_bytes(picture)
    page = output / "compare.html"
    write_report(compare_report(comparison, picture, command_line()), page)
    print(table(comparison))
    print(f"\nreport: {page}")
    return 0


def _train(architecture: str, data: Path, output: Path, extra: Sequence[str]) -> int:
    command = [sys.executable, "-m", "training", "train", "--architecture", architecture]
    command += ["--data", str(data), "--output", str(output), *extra]
    print(f"training {architecture}: {' '.join(command[1:])}", flush=True)
    return subprocess.run(command, check=False).returncode  # noqa: S603  # our own command


def _compare(paths: Sequence[Path], arguments: argparse.Namespace) -> Comparison:
    artifacts = [open_artifact(path) for path in paths]
    split = load_split(split_path(arguments.data, arguments.split))
    speeds = {batch: measure_speed(paths, batch, repeats) for batch, repeats in REPEATS.items()}
    labels = split.labels.numpy()
    candidates, right = [], []
    for index, artifact in enumerate(artifacts):
        predictions = predict(artifact.path, split.images, "float32", arguments.batch_size)
        evaluation = measure(
            artifact,
            split,
            predictions,
            data=arguments.data,
            name=arguments.split,
            precision="float32",
        )
        right.append(predictions.probabilities.argmax(axis=1)[labels < 10] == labels[labels < 10])
        candidates.append(
            Candidate(
                path=str(paths[index]),
                evaluation=evaluation,
                milliseconds={batch: speed[index].milliseconds for batch, speed in speeds.items()},
                ratios={batch: speed[index].ratio for batch, speed in speeds.items()},
            )
        )
    return compare(candidates, right, hardware())


def table(comparison: Comparison) -> str:
    """The comparison as a few lines of text."""
    width = max(len(candidate.title) for candidate in comparison.candidates)
    lines = [f"{'':<{width}} {'accuracy':>9} {'MB':>7} {'ms, 1':>8} {'ms, 32':>8}"]
    lines += [
        f"{candidate.title:<{width}} {percent(candidate.evaluation.figures.accuracy, 2):>9} "
        f"{candidate.evaluation.model.bytes / 1e6:>7.1f} {candidate.milliseconds[1]:>8.1f} "
        f"{candidate.milliseconds[32]:>8.1f}"
        for candidate in comparison.candidates
    ]
    return "\n".join([*lines, "", comparison.verdict])
