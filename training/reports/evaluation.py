"""The page that `evaluate` writes: all sources side by side, then each of them, then the file."""

from __future__ import annotations

from collections.abc import Mapping

from app.artifact import Artifact
from training.calibrate import MIN_IMAGES
from training.measurement.evaluation import Evaluations
from training.reports.overview import overview
from training.reports.page import Fact, Report, Section, Table, Text, listed
from training.reports.pictures import Pictures
from training.reports.source import source_section
from training.wording import percent


def evaluation_report(
    evaluations: Evaluations,
    pictures: Mapping[str, Pictures],
    artifact: Artifact,
    command: str,
) -> Report:
    """Compose the page.

    Args:
        evaluations: the figures of the artifact.
        pictures: those of each source, by its name.
        artifact: what was measured.
        command: the line that did it, for the foot of the page.
    """
    model, sources = evaluations.model, evaluations.sources
    names = [evaluation.source for evaluation in sources]
    facts = [
        Fact(
            f"Accuracy, {evaluation.source}",
            percent(evaluation.figures.accuracy),
            "{} to {}, {:,} images".format(
                *map(percent, evaluation.intervals.accuracy), evaluation.figures.images
            ),
        )
        for evaluation in sources
    ]
    facts.append(
        Fact("Size", f"{model.bytes / 1e6:.1f} MB", f"{model.parameters / 1e6:.1f} M parameters")
    )
    return Report(
        title=f"Evaluation of {model.name} {model.version}",
        summary=f"The artifact was run in {evaluations.precision} on the {evaluations.split} split "
        f"of {listed(names)}. Each source is measured by itself.",
        facts=facts,
        sections=[
            overview(sources),
            *(source_section(evaluation, pictures[evaluation.source]) for evaluation in sources),
            _artifact(evaluations, artifact),
        ],
        command=command,
    )


def _artifact(evaluations: Evaluations, artifact: Artifact) -> Section:
    model, calibration = evaluations.model, artifact.card.calibration
    speed = listed([f"{one.images_per_second:,.0f} ({one.source})" for one in evaluations.sources])
    rows = [
        ["Name and version", f"{model.name} {model.version}"],
        ["Architecture", model.architecture],
        ["SHA-256", model.sha256],
        ["Images per second here", speed],
    ]
    limits = [
        [
            background,
            f"{part.images:,}",
            f"{part.temperature:.2f}",
            percent(part.review_confidence),
            percent(part.review_margin),
            percent(part.conformal_threshold),
            percent(part.garment_threshold),
        ]
        for background, part in calibration.items()
    ]
    return Section(
        "The artifact",
        [
            Table("Which file was measured", ["", "Value"], rows, words=frozenset({0, 1})),
            Table(
                "Its limits, by the background of an image",
                [
                    "Background",
                    "Fitted on",
                    "Temperature",
                    "Least confidence",
                    "Least lead",
                    "Set from",
                    "Garment from",
                ],
                limits,
            ),
            Text(
                "Fitted on: garments of valid splits that have this background; with fewer than "
                f"{MIN_IMAGES}, the limits are those of all images. An answer is accepted with the "
                "least confidence, with the least lead of the first label over the second, with a "
                "set of one label (those from this probability on) and as a garment."
            ),
        ],
    )
