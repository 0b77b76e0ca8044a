"""The pictures of one source: drawings of its figures, and the photos that are worth a look."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from app.card import BACKGROUNDS, CATEGORIES, Background, Calibration
from training.data.loading import Split
from training.measurement.evaluation import Evaluation
from training.measurement.limits import Answers
from training.measurement.metrics import roc
from training.reports import certainty_plots, plots

DRAWINGS = ("confusion_matrix", "reliability", "set_sizes", "acceptance", "roc", "garment")
"""Names of all that may be drawn; the last two only of a model that can reject."""

PHOTOS_SHOWN = 24
"""Of the examples of one kind."""


@dataclass(frozen=True)
class Pictures:
    """Drawings, PNG by name, and photos as the network got them, WebP by row of the split."""

    drawings: Mapping[str, bytes]
    photos: Mapping[int, bytes]


def draw(
    evaluation: Evaluation,
    split: Split,
    answers: Answers,
    calibration: Mapping[Background, Calibration],
) -> Pictures:
    """Draw what was measured, from the split and the answers that were measured."""
    figures = evaluation.figures
    drawings = {
        "confusion_matrix": plots.confusion_matrix(figures.confusion_matrix, CATEGORIES),
        "reliability": certainty_plots.reliability(evaluation.calibration),
        "set_sizes": certainty_plots.set_sizes(evaluation.set_sizes),
        "acceptance": certainty_plots.acceptance(evaluation.acceptance, figures.review),
    }
    if evaluation.garments_refused is not None:
        labels = split.labels.numpy()
        ours = labels < len(CATEGORIES)
        groups = {"garments": answers.garment[ours], "other things": answers.garment[~ours]}
        drawings["garment"] = certainty_plots.garment_histogram(
            {name: values for name, values in groups.items() if len(values)},
            _limits(answers, calibration),
        )
        if figures.other is not None:
            rates = roc(answers.garment, labels)
            drawings["roc"] = certainty_plots.roc(rates, figures.other)
    kinds = (evaluation.mistakes, evaluation.others_accepted, evaluation.refused_garments)
    shown = {example.index for examples in kinds for example in examples[:PHOTOS_SHOWN]}
    photos = {index: _webp(split.images[index]) for index in shown}
    return Pictures(drawings, photos)


def _limits(answers: Answers, calibration: Mapping[Background, Calibration]) -> dict[str, float]:
    """The garment thresholds of the backgrounds that occur, under one name where they are one."""
    found = {
        background: calibration[background].garment_threshold or 0.0
        for place, background in enumerate(BACKGROUNDS)
        if (answers.backgrounds == place).any()
    }
    if len(set(found.values())) == 1:
        return {"limit": next(iter(found.values()))}
    return {f"limit on {background}": limit for background, limit in found.items()}


def _webp(image: Tensor) -> bytes:
    """A uint8 `[3, S, S]` image as a file a fifth as large as a PNG; no eye tells them apart."""
    data = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(data, "WEBP", quality=90)
    return data.getvalue()
