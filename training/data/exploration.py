"""What `explore` knows of prepared data: the figures of explore.json."""

from __future__ import annotations

from collections import Counter

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.card import CATEGORIES
from training.data.survey import BLANK_CONTRAST, Survey


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Frozen):
    """Least, middle and largest value."""

    low: float
    median: float
    high: float


class SplitFacts(_Frozen):
    """One split; all but `counts` is over the `looked_at` images.

    `garments` counts those of the ten categories. `brightness` (mean grey level of an image) and
    its deviation are of 0 to 255, channel figures of 0 to 1, `aspect` is width by height.
    """

    counts: dict[str, int]
    looked_at: int
    garments: int
    damaged: list[str]
    blank: list[str]
    formats: dict[str, int]
    grey: int
    width: Spread | None
    height: Spread | None
    aspect: Spread | None
    brightness_mean: float
    brightness_deviation: float
    channel_mean: list[float]
    channel_std: list[float]


class Duplicate(_Frozen):
    """Two files that are all but the same; classes are those of their folders.

    Both may lie in one split where their classes differ.
    """

    first_split: str
    first_file: str
    first_class: str
    second_split: str
    second_file: str
    second_class: str
    similarity: float


class Exploration(_Frozen):
    """Everything that was found, but for the pictures."""

    data: str
    splits: dict[str, SplitFacts]
    duplicates: list[Duplicate]


def split_facts(survey: Survey) -> SplitFacts:
    """The figures of one split."""
    blank = np.flatnonzero(survey.contrast < BLANK_CONTRAST)
    some = len(survey.files) > 0
    return SplitFacts(
        counts=survey.counts,
        looked_at=len(survey.files),
        garments=int((survey.labels < len(CATEGORIES)).sum()),
        damaged=survey.damaged,
        blank=[survey.files[index].name for index in blank],
        formats=dict(Counter(survey.formats).most_common()),
        grey=int(survey.grey.sum()),
        width=_spread(survey.widths) if some else None,
        height=_spread(survey.heights) if some else None,
        aspect=_spread(survey.widths / survey.heights) if some else None,
        brightness_mean=float(survey.brightness.mean()) if some else 0.0,
        brightness_deviation=float(survey.brightness.std()) if some else 0.0,
        channel_mean=survey.channel_mean,
        channel_std=survey.channel_std,
    )


def _spread(values: np.ndarray) -> Spread:
    return Spread(low=values.min(), median=float(np.median(values)), high=values.max())
