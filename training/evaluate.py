"""Measure an artifact on prepared data: how often it is right, where it errs, how sure it is.

Each source is measured by itself, and is named as its folder. Prints a table of the sources and
one of the categories of each, and writes evaluation.json (with every mistake),
evaluation.html (one file with all pictures, for any browser; `publish --report` keeps it with the
artifact) and the drawings in a folder per source. A source of other things alone gets a line, and
no place in the report. Exit status 1 when an accuracy is below --require-accuracy.

    python -m training evaluate runs/first/model.pt --data data/fashion-mnist
    python -m training evaluate runs/mix/model.pt --data data/fashion-mnist --data data/home
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from app.artifact import Artifact, Precision, open_artifact
from training.command import command_line, output_folder, positive, writable
from training.data.folder_names import SPLITS
from training.data.loading import load_split
from training.errors import DataError
from training.measurement.evaluation import (
    Evaluation,
    Evaluations,
    identity,
    measure,
    one_split_of,
    without_garments,
)
from training.measurement.prediction import predict
from training.releases.packed import model_file
from training.reports.evaluation import evaluation_report
from training.reports.page import write_report
from training.reports.pictures import DRAWINGS, Pictures, draw
from training.wording import percent

__all__ = ["add_arguments", "run"]

DEFAULT_BATCH_SIZE = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="the artifact: a model.pt, or a model.tar.gz; here or on S3"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="folder of prepared data, one source; repeat it to measure several",
    )
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=output_folder,
        default=Path("reports/evaluate"),
        help="default: %(default)s",
    )
    parser.add_argument(
        "--precision", choices=get_args(Precision), default="float32", help="default: %(default)s"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=DEFAULT_BATCH_SIZE, help="default: %(default)s"
    )
    parser.add_argument(
        "--require-accuracy",
        type=_shares,
        default={},
        metavar="SHARE",
        help="least accuracy on every source, such as 0.945, or on some of them, such as "
        "home=0.8,catalogue=0.9; below it the exit status is 1",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; the exit status is 1 when a required accuracy is missed."""
    paths = one_split_of(arguments.data, arguments.split)
    required = _required(arguments.require_accuracy, list(paths))
    with model_file(arguments.model) as model:
        return _evaluate(arguments, model, paths, required)


def _evaluate(
    arguments: argparse.Namespace,
    model: Path,
    paths: Mapping[str, Path],
    required: Mapping[str, float],
) -> int:
    artifact = open_artifact(model)
    writable(arguments.output)  # before an hour of reading
    measured, pictures, missed = [], {}, []
    for source, path in paths.items():
        split = load_split(path)
        predictions = predict(model, split.images, arguments.precision, arguments.batch_size)
        if not split.has_garments:
            print(without_garments(artifact, source, predictions))
            if source in arguments.require_accuracy:
                missed.append(f"{source}: without garments there is no accuracy to require")
            continue
        evaluation = measure(artifact, source, split, predictions)
        measured.append(evaluation)
        pictures[source] = draw(evaluation, split, predictions.answers, artifact.card.calibration)
    if not measured:
        raise DataError("there is no image of the ten categories to measure on")
    evaluations = Evaluations(
        model=identity(artifact),
        split=arguments.split,
        precision=arguments.precision,
        sources=measured,
    )
    print(table(evaluations))
    print(f"\nreport: {_write(evaluations, pictures, artifact, arguments.output)}")
    missed += [
        f"{entry.source}: accuracy {entry.figures.accuracy:.4f} is below the required "
        f"{required[entry.source]:g}"
        for entry in measured
        if entry.figures.accuracy < required.get(entry.source, 0.0)
    ]
    if missed:
        print(*missed, sep="\n", file=sys.stderr)
    return 1 if missed else 0


def table(evaluations: Evaluations) -> str:
    """The figures as text: a row for each source, then the categories of each."""
    model, sources = evaluations.model, evaluations.sources
    width = max(len("source"), *(len(entry.source) for entry in sources))
    lines = [
        f"{model.name} {model.version}, {evaluations.split} split, {evaluations.precision}",
        "",
        f"{'source':<{width}} {'images':>7} {'accuracy':>9} {'macro-F1':>9} {'ECE':>6} "
        f"{'accepted':>9} {'of it right':>11} {'coverage':>9} {'set size':>8} {'AUROC':>6} "
        f"{'FPR95':>7}",
    ]
    for entry in sources:
        figures, other = entry.figures, entry.figures.other
        lines.append(
            f"{entry.source:<{width}} {figures.images:>7,} {percent(figures.accuracy, 2):>9} "
            f"{percent(figures.macro_f1, 2):>9} {figures.ece:>6.3f} "
            f"{percent(figures.review.accepted):>9} {percent(figures.review.accuracy):>11} "
            f"{percent(figures.conformal.coverage):>9} {figures.conformal.mean_size:>8.2f} "
            f"{f'{other.auroc:.3f}' if other else percent(None):>6} "
            f"{percent(other.fpr95 if other else None):>7}"
        )
    return "\n".join([*lines, *(line for entry in sources for line in _categories(entry))])


def _categories(evaluation: Evaluation) -> list[str]:
    low, high = evaluation.intervals.accuracy
    lines = [
        "",
        f"{evaluation.source}: accuracy {percent(evaluation.figures.accuracy, 2)}, 95 % interval "
        f"{percent(low)} to {percent(high)}",
        f"{'category':<12} {'precision':>9} {'recall':>9} {'F1':>9} {'images':>7}",
        *(
            f"{entry.label:<12} {percent(entry.precision):>9} {percent(entry.recall):>9} "
            f"{percent(entry.f1):>9} {entry.support:>7,}"
            for entry in evaluation.per_class
        ),
    ]
    if evaluation.other_images and evaluation.garments_refused is None:
        lines.append(f"left out: {evaluation.other_images:,} images of other things")
    return lines


def _shares(text: str) -> dict[str, float]:
    """`SHARE` or `NAME=SHARE,NAME=SHARE`; without a name, under the empty one."""
    shares = {}
    for part in text.split(","):
        name, _, share = part.rpartition("=")
        try:
            value = float(share)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise argparse.ArgumentTypeError(f"{share!r} is not a share from 0 to 1, such as 0.945")
        shares[name.strip()] = value
    return shares


def _required(shares: Mapping[str, float], sources: list[str]) -> dict[str, float]:
    """The least accuracy of each source: what is said of it, else what is said of all."""
    for name in shares:
        if name and name not in sources:
            raise DataError(
                f"--require-accuracy: no source is named {name!r}; there are {', '.join(sources)}"
            )
    return {source: shares.get(source, shares.get("", 0.0)) for source in sources}


def _write(
    evaluations: Evaluations,
    pictures: Mapping[str, Pictures],
    artifact: Artifact,
    output: Path,
) -> Path:
    for source, drawn in pictures.items():
        folder = output / source
        folder.mkdir(parents=True, exist_ok=True)
        for name in DRAWINGS:
            path = folder / f"{name}.png"
            if name in drawn.drawings:
                path.write_bytes(drawn.drawings[name])
            else:  # so that no picture of an earlier run is left beside these figures
                path.unlink(missing_ok=True)
    (output / "evaluation.json").write_text(evaluations.model_dump_json(indent=1) + "\n")
    page = output / "evaluation.html"
    write_report(evaluation_report(evaluations, pictures, artifact, command_line()), page)
    return page
