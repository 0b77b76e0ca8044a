"""Measure an artifact on a prepared split: how often it is right, where it errs, how sure it is.

Prints a table and writes evaluation.json, evaluation.html (one file with all pictures, for any
browser) and the pictures. Exit status 1 when the accuracy is below --require-accuracy.

    python -m training evaluate runs/first/model.pt --data data/fashion-mnist --split test
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from app.artifact import CATEGORIES, Precision, open_artifact
from training.command import command_line, positive
from training.datasets import SPLITS, Split, load_split, split_path
from training.evaluation import Evaluation, measure, predict
from training.reports import plots
from training.reports.evaluation import evaluation_report
from training.reports.page import percent, write_report

__all__ = ["add_arguments", "run"]

DEFAULT_BATCH_SIZE = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="the artifact, a model.pt")
    parser.add_argument("--data", type=Path, required=True, help="folder of prepared data")
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("reports/evaluate"), help="default: %(default)s"
    )
    parser.add_argument(
        "--precision", choices=get_args(Precision), default="float32", help="default: %(default)s"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=DEFAULT_BATCH_SIZE, help="default: %(default)s"
    )
    parser.add_argument(
        "--require-accuracy",
        type=_share,
        metavar="SHARE",
        help="least accuracy, such as 0.945; below it the exit status is 1",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; the exit status is 1 when a required accuracy is missed."""
    artifact = open_artifact(arguments.model)
    split = load_split(split_path(arguments.data, arguments.split))
    predictions = predict(arguments.model, split.images, arguments.precision, arguments.batch_size)
    evaluation = measure(
        artifact,
        split,
        predictions,
        data=arguments.data,
        name=arguments.split,
        precision=arguments.precision,
    )
    print(table(evaluation))
    print(f"\nreport: {_write(evaluation, split, arguments)}")
    accuracy, required = evaluation.figures.accuracy, arguments.require_accuracy
    if required is not None and accuracy < required:
        print(f"accuracy {accuracy:.4f} is below the required {required:g}", file=sys.stderr)
        return 1
    return 0


def table(evaluation: Evaluation) -> str:
    """The figures as a few lines of text."""
    model, figures = evaluation.model, evaluation.figures
    low, high = evaluation.accuracy_interval
    lines = [
        f"{model.name} {model.version} on {evaluation.data}/{evaluation.split}: "
        f"{figures.images:,} images, {evaluation.precision}",
        "",
        f"{'category':<12} {'precision':>9} {'recall':>9} {'F1':>9} {'images':>7}",
        *(
            f"{entry.label:<12} {percent(entry.precision):>9} {percent(entry.recall):>9} "
            f"{percent(entry.f1):>9} {entry.support:>7,}"
            for entry in evaluation.per_class
        ),
        "",
        f"accuracy {percent(figures.accuracy, 2)} (95 % interval {percent(low, 2)} to "
        f"{percent(high, 2)}), macro-F1 {percent(figures.macro_f1, 2)}, ECE {figures.ece:.4f}",
    ]
    if evaluation.other.images:
        lines.append(f"left out: {evaluation.other.images:,} images of other things")
    return "\n".join(lines)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1, such as 0.945")
    return value


def _write(evaluation: Evaluation, split: Split, arguments: argparse.Namespace) -> Path:
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    pictures = {
        "confusion_matrix": plots.confusion_matrix(evaluation.figures.confusion_matrix, CATEGORIES),
        "reliability": plots.reliability(evaluation.calibration),
    }
    if evaluation.mistakes:
        pictures["mistakes"] = plots.captioned(
            [split.images[entry.index].permute(1, 2, 0).numpy() for entry in evaluation.mistakes],
            [
                f"{CATEGORIES[entry.truth]}\ntaken for {CATEGORIES[entry.answer]}\n"
                f"{percent(entry.confidence)} sure"
                for entry in evaluation.mistakes
            ],
            columns=6,
        )
    else:  # so that no picture of an earlier run is left beside these figures
        (output / "mistakes.png").unlink(missing_ok=True)
    for name, png in pictures.items():
        (output / f"{name}.png").write_bytes(png)
    (output / "evaluation.json").write_text(evaluation.model_dump_json(indent=1) + "\n")
    page = output / "evaluation.html"
    write_report(evaluation_report(evaluation, pictures, command_line()), page)
    return page
