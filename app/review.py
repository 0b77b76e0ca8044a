"""Which labels are likely, when a person should look at an answer, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast, get_args

import numpy as np
from PIL import Image

from app.card import Calibration

ReviewReason = Literal["low_confidence", "ambiguous", "not_a_garment", "too_small", "blank_image"]
REVIEW_REASONS: tuple[ReviewReason, ...] = get_args(ReviewReason)

BLANK_DEVIATION = 2.0
"""Standard deviation of grey values (0 to 255) below which there is nothing to be seen."""
_BLOCKS = 32
_SURE_RANGE = BLANK_DEVIATION * math.sqrt(2 * _BLOCKS**2)
"""Where the least and the largest of the blocks lie so far apart, they alone deviate by as much."""


def likely_classes(probabilities: Sequence[float], calibration: Calibration) -> tuple[int, ...]:
    """The class ids that are likely enough, largest probability first: a conformal set.

    It holds the right one for 95 % of photos of a garment like those that the limits were fitted
    on. Where more than 95 % of the answers are right, the limit lies so high that the set has one
    class, or none when no answer is sure enough.

    Args:
        probabilities: of the ten categories.
        calibration: the model's own limits for the photo's background.
    """
    likely = [
        (probability, class_id)
        for class_id, probability in enumerate(probabilities)
        if probability >= calibration.conformal_threshold
    ]
    return tuple(class_id for _, class_id in sorted(likely, key=lambda pair: (-pair[0], pair[1])))


def review_reasons(
    probabilities: Sequence[float],
    garment_probability: float | None,
    calibration: Calibration,
    *,
    shortest_edge: int,
    min_edge: int,
    blank: bool,
) -> tuple[ReviewReason, ...]:
    """The reasons to look at an answer, none when it can be taken as it is.

    Whatever has not exactly one likely class has a reason.

    Args:
        probabilities: of the ten categories.
        garment_probability: of being one of the ten; None when the model cannot tell.
        calibration: the model's own limits for the photo's background.
        shortest_edge: of the photo, in pixels.
        min_edge: the shortest edge, in pixels, that is not too small.
        blank: whether the photo shows one even surface.
    """
    first, second = sorted(probabilities, reverse=True)[:2]
    likely = len(likely_classes(probabilities, calibration))
    threshold = calibration.garment_threshold
    holds: dict[ReviewReason, bool] = {
        "low_confidence": first < calibration.review_confidence or likely == 0,
        "ambiguous": first - second < calibration.review_margin or likely > 1,
        "not_a_garment": threshold is not None
        and garment_probability is not None
        and garment_probability < threshold,
        "too_small": shortest_edge < min_edge,
        "blank_image": blank,
    }
    return tuple(reason for reason in REVIEW_REASONS if holds[reason])


def is_blank(image: Image.Image) -> bool:
    """Whether an RGB image shows one even surface, apart from a camera's noise.

    Averaging over blocks takes the noise out: a lens cap is blank, a white shirt on white is not.
    """
    blocks = image.convert("L").resize((_BLOCKS, _BLOCKS), Image.Resampling.BOX)
    least, largest = cast("tuple[int, int]", blocks.getextrema())
    if largest - least >= _SURE_RANGE:  # so it is of nearly all photos
        return False
    return float(np.asarray(blocks).std()) < BLANK_DEVIATION
