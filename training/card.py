"""What the model card says, put together from the run and from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.artifact import CATEGORIES, Background, Calibration, DataSource, Figures, ModelCard
from training import fashion_mnist
from training.calibrate import MIN_IMAGES
from training.networks import INPUT_SIZE, Architecture

MISTAKES_NAMED = 3
"""How many of a source's commonest confusions the card names."""

Hyperparameters = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Provenance:
    """What is told of the run that trained the model."""

    version: str
    architecture: Architecture
    hyperparameters: Hyperparameters
    command: str
    sources: list[DataSource]


def model_card(
    told: Provenance,
    parameters: int,
    calibration: dict[Background, Calibration],
    figures: dict[str, Figures],
    others: int,
) -> ModelCard:
    """The card of a network with `parameters` weights.

    `figures` are by source and split, such as `home/valid`; the weak points are read off valid.
    `others` is how many images of other things it was calibrated on.
    """
    return ModelCard(
        name=f"garment-{told.architecture}",
        version=told.version,
        architecture=told.architecture,
        categories=list(CATEGORIES),
        input_size=INPUT_SIZE,
        parameters=parameters,
        created=datetime.now(UTC),
        command=told.command,
        hyperparameters=told.hyperparameters,
        sources=told.sources,
        figures=figures,
        calibration=calibration,
        limitations=_limitations(told, calibration, figures, others),
    )


def _limitations(
    told: Provenance,
    calibration: Mapping[Background, Calibration],
    figures: Mapping[str, Figures],
    others: int,
) -> list[str]:
    """What the model is bad at, in sentences."""
    valid = {name: one for name, one in figures.items() if name.endswith("/valid")}
    lines = [line for name, measured in valid.items() for line in _confusions(name, measured)]
    if any(part.garment_threshold is None for part in calibration.values()):
        lines.append("It cannot tell that an image shows no garment: it names one of the ten.")
    elif others == 0:
        lines.append(
            "How well it tells that an image shows no garment was not measured, and its limit for "
            "that is a guess: no valid split has such images."
        )
    lines += [
        line for background, fitted in calibration.items() for line in _unfitted(background, fitted)
    ]
    if [source.name for source in told.sources] == [fashion_mnist.TITLE]:
        lines.append(
            "It has seen Fashion-MNIST alone, small grey pictures on black: it is often wrong on "
            "colour photos."
        )
    else:
        lines += _unseen(valid)
    return lines


def _unfitted(background: Background, fitted: Calibration) -> list[str]:
    """Limits of a background that few images, or none, stand behind."""
    place = "on any other background" if background == "scene" else f"on {background}"
    lines = []
    if fitted.images < MIN_IMAGES:
        lines.append(
            f"Its confidence and limits for images {place} are those for all images: the valid "
            f"splits have {fitted.images} garments there, and {MIN_IMAGES} would be needed."
        )
    if fitted.conformal_threshold == 0:
        lines.append(f"Its sets of labels for images {place} hold all ten: too few to fit them.")
    return lines


def _confusions(name: str, measured: Figures) -> list[str]:
    matrix = measured.confusion_matrix
    mistakes = sorted(
        (
            (matrix[truth][answer], truth, answer)
            for truth in range(len(matrix))
            for answer in range(len(matrix))
            if truth != answer and matrix[truth][answer]
        ),
        reverse=True,
    )
    return [
        f"{CATEGORIES[truth]} is taken for {CATEGORIES[answer]}: {count} of {sum(matrix[truth])} "
        f"images of {name}."
        for count, truth, answer in mistakes[:MISTAKES_NAMED]
    ]


def _unseen(valid: Mapping[str, Figures]) -> list[str]:
    """Categories that a source has no images of: nothing is known of them there."""
    lines = []
    for name, measured in valid.items():
        missing = [
            CATEGORIES[truth] for truth, row in enumerate(measured.confusion_matrix) if not sum(row)
        ]
        if missing:
            lines.append(
                f"{name} has no images of {', '.join(missing)}: how good it is at such photos of "
                "these has not been measured."
            )
    return lines
