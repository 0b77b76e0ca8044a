"""What the model card says, put together from the run and from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from torch import nn

from app.card import CATEGORIES, Background, Calibration, DataSource, Figures, ModelCard
from training.calibrate import MIN_IMAGES, Support
from training.data import fashion_mnist
from training.measurement.mistakes import top_confusions
from training.networks import INPUT_SIZE, Architecture

MISTAKES_NAMED = 3
"""How many of a source's commonest confusions the card names."""

GUESS = (
    "How well it tells that an image shows no garment was not measured, and its limit for that is "
    "a guess: no valid split has such images."
)

NEVER_TURNS = "It does not see that a photo lies on a side or on its head: turn those before."

UNLEARNT = "It was trained without images of "
"""How the line begins that names the categories that the model cannot know."""

AGAIN = "It was calibrated again after its training, on "
"""How the line begins that names the data of a later calibration, with its licence."""

KEPT = "kept from version"
"""What the lines say of all that the later data had too few images for."""

Hyperparameters = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Provenance:
    """What is told of the run that trained the model.

    `missing` are the categories that it had no images of to train on.
    """

    version: str
    architecture: Architecture
    hyperparameters: Hyperparameters
    command: str
    sources: list[DataSource]
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recalibration:
    """What is told of an artifact that is calibrated once more: its card, and the data."""

    before: ModelCard
    data: list[DataSource]
    """With how many images of the valid split."""
    orientation: nn.Linear | None = None
    """What it knows of turned images."""


def model_card(
    told: Provenance,
    parameters: int,
    calibration: dict[Background, Calibration],
    figures: dict[str, Figures],
    support: Mapping[Background, Support],
    again: Recalibration | None = None,
    can_turn: bool = False,
) -> ModelCard:
    """The card of a network with `parameters` weights.

    `figures` are by source and split, such as `home/valid`; the weak points are read off valid.
    `support` is what it was calibrated on; `can_turn` is whether it knows turned images.
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
        can_turn=can_turn,
        limitations=[
            *_limitations(told, calibration, figures, support, again),
            *([] if can_turn else [NEVER_TURNS]),
        ],
    )


def _limitations(
    told: Provenance,
    calibration: Mapping[Background, Calibration],
    figures: Mapping[str, Figures],
    support: Mapping[Background, Support],
    again: Recalibration | None,
) -> list[str]:
    """What the model is bad at, in sentences."""
    valid = {name: one for name, one in figures.items() if name.endswith("/valid")}
    lines = []
    if told.missing:
        lines.append(f"{UNLEARNT}{', '.join(told.missing)}: do not expect it to tell them.")
    elif again is not None:
        lines += [line for line in again.before.limitations if line.startswith(UNLEARNT)]
    lines += [line for name, measured in valid.items() for line in _confusions(name, measured)]
    if any(part.garment_threshold is None for part in calibration.values()):
        lines.append("It cannot tell that an image shows no garment: it names one of the ten.")
    elif again is None and not any(there.others for there in support.values()):
        lines.append(GUESS)
    if again is None:
        lines += _few(support)
    else:
        lines += _calibrated_again(again, support)
    lines += [
        f"Its sets of labels for images {_PLACES[background]} hold all ten: too few to fit them."
        for background, fitted in calibration.items()
        if fitted.conformal_threshold == 0
    ]
    if {source.name for source in told.sources} == {fashion_mnist.TITLE}:
        lines.append(
            "It has seen Fashion-MNIST alone, small grey pictures on black: it is often wrong on "
            "colour photos."
        )
    else:
        lines += _unseen(valid)
    return lines


_PLACES: dict[Background, str] = {
    "white": "on white",
    "black": "on black",
    "scene": "on any other background",
}


def _few(support: Mapping[Background, Support]) -> list[str]:
    """Limits that few images of their background, or none, stand behind."""
    garments = sum(there.garments for there in support.values())
    lines = []
    if garments < MIN_IMAGES:
        lines.append(
            f"Its confidence is as the network gives it: the valid splits have {garments} "
            f"garments to calibrate it on, and {MIN_IMAGES} would be needed."
        )
    lines += [
        f"Its confidence and limits for images {_PLACES[background]} are those for all images: the "
        f"valid splits have {there.garments} garments there, and {MIN_IMAGES} would be needed."
        for background, there in support.items()
        if there.garments < MIN_IMAGES
    ]
    return lines


def _calibrated_again(again: Recalibration, support: Mapping[Background, Support]) -> list[str]:
    """The data of the later calibration, and what it had too few images for."""
    before = again.before
    of = f"{KEPT} {before.version}"
    kept = []
    for background, there in support.items():
        place = _PLACES[background]
        had = before.calibration[background].images
        if there.garments < MIN_IMAGES:
            stands = f"fitted on {had:,} garments there" if had >= MIN_IMAGES else "for all images"
            kept.append(
                f"Its confidence and limits for images {place} are {of} ({stands}): the later data "
                f"has {there.garments} garments there, and {MIN_IMAGES} would be needed."
            )
        elif before.can_reject and there.others < MIN_IMAGES:
            kept.append(
                f"How it tells garments from other things {place} is {of}: the later data has "
                f"{there.others} other things there, and {MIN_IMAGES} would be needed."
            )
    # What is kept may be a guess, or rest on data that only that card names.
    earlier = [line for line in before.limitations if line.startswith(AGAIN) or line == GUESS]
    data = ", ".join(
        f"{source.name} (licence: {source.licence}{f', {source.url}' if source.url else ''}; "
        f"{source.images:,} images)"
        for source in again.data
    )
    return list(dict.fromkeys([*(earlier if kept else []), f"{AGAIN}{data}.", *kept]))


def _confusions(name: str, measured: Figures) -> list[str]:
    matrix = measured.confusion_matrix
    return [
        f"{one.truth} is taken for {one.answer}: {one.count} of "
        f"{sum(matrix[CATEGORIES.index(one.truth)])} images of {name}."
        for one in top_confusions(matrix, MISTAKES_NAMED)
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
