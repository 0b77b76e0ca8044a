"""What the model card says, put together from the run and from what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.artifact import CATEGORIES, Calibration, DataSource, Figures, ModelCard
from training import fashion_mnist
from training.datasets import open_images
from training.networks import INPUT_SIZE, Architecture

Hyperparameters = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Provenance:
    """What is told of the run that trained the model."""

    version: str
    architecture: Architecture
    hyperparameters: Hyperparameters
    command: str
    sources: list[DataSource]


def sources_of(splits: Mapping[str, Path]) -> list[DataSource]:
    """Who made the data, from the prepared.json that `prepare` left beside the splits."""
    if "train" not in splits:
        return []
    images = len(open_images(splits["train"]).files)
    folder = splits["train"].parent
    told = folder / "prepared.json"
    source = json.loads(told.read_text()) if told.exists() else {}
    return [
        DataSource(
            name=source.get("name", folder.name),
            licence=source.get("licence", "not stated"),
            url=source.get("url"),
            images=images,
        )
    ]


def model_card(
    told: Provenance,
    parameters: int,
    calibration: Calibration,
    figures: dict[str, Figures],
    valid: Figures,
) -> ModelCard:
    """The card of a network with `parameters` weights; its weak points are read off `valid`."""
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
        limitations=_limitations(told, calibration, valid),
    )


def _limitations(told: Provenance, calibration: Calibration, valid: Figures) -> list[str]:
    matrix = valid.confusion_matrix
    mistakes = sorted(
        (
            (matrix[truth][answer], truth, answer)
            for truth in range(len(matrix))
            for answer in range(len(matrix))
            if truth != answer and matrix[truth][answer]
        ),
        reverse=True,
    )
    lines = [
        f"{CATEGORIES[truth]} is taken for {CATEGORIES[answer]}: {count} of {sum(matrix[truth])} "
        "images of the valid split."
        for count, truth, answer in mistakes[:3]
    ]
    if calibration.garment_threshold is None:
        lines.append("It cannot tell that an image shows no garment: it names one of the ten.")
    if [source.name for source in told.sources] == [fashion_mnist.TITLE]:
        lines.append(
            "It has seen Fashion-MNIST alone, small grey pictures on black: it is often wrong on "
            "colour photos."
        )
    return lines
