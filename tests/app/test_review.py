import numpy as np
import pytest
from PIL import Image

from app.card import Calibration
from app.review import is_blank, likely_classes, review_reasons

CALIBRATION = Calibration(
    temperature=1,
    review_confidence=0.6,
    review_margin=0.2,
    conformal_threshold=0.45,
    images=100,
    garment_threshold=0.3,
)
SURE = [0.91, *[0.01] * 9]


def reasons(probabilities=SURE, garment=0.9, calibration=CALIBRATION, edge=28, blank=False):
    return review_reasons(
        probabilities, garment, calibration, shortest_edge=edge, min_edge=28, blank=blank
    )


def test_a_sure_answer_needs_nobody() -> None:
    assert reasons() == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"probabilities": [0.59, 0.3, *[0.01] * 8]}, ("low_confidence",)),
        ({"probabilities": [*[0.0] * 8, 0.39, 0.61]}, ()),
        ({"probabilities": [*[0.0] * 8, 0.41, 0.59]}, ("low_confidence", "ambiguous")),
        ({"garment": 0.29}, ("not_a_garment",)),
        ({"garment": 0.3}, ()),
        ({"garment": None}, ()),
        ({"edge": 27}, ("too_small",)),
        ({"blank": True}, ("blank_image",)),
    ],
)
def test_each_reason_at_its_limit(changed, expected) -> None:
    assert reasons(**changed) == expected


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.31, ()),
        (0.3, (7,)),
        (0.25, (7, 2)),
        (0.2, (7, 2, 4)),
        (0, (7, 2, 4, 0, 1, 3, 5, 6, 8, 9)),
    ],
)
def test_labels_are_likely_from_the_threshold_on_and_the_largest_comes_first(
    threshold, expected
) -> None:
    probabilities = [0.05, 0.05, 0.25, 0.05, 0.2, 0.05, 0, 0.3, 0, 0]
    probabilities = [p or 0.025 for p in probabilities]
    limits = CALIBRATION.model_copy(update={"conformal_threshold": threshold})
    assert likely_classes(probabilities, limits) == expected


def test_not_exactly_one_likely_label_is_a_reason_by_itself() -> None:
    # All else is as sure as can be: only the number of labels speaks against it.
    lenient = {"review_confidence": 0, "review_margin": 0}
    for threshold, expected in ((0.92, ("low_confidence",)), (0.91, ()), (0.01, ("ambiguous",))):
        limits = CALIBRATION.model_copy(update=lenient | {"conformal_threshold": threshold})
        assert reasons(calibration=limits) == expected


def test_a_model_that_cannot_tell_never_says_not_a_garment() -> None:
    cannot = CALIBRATION.model_copy(update={"garment_threshold": None})
    assert reasons(garment=0.0, calibration=cannot) == ()


def test_blank_is_an_even_surface_whatever_the_noise() -> None:
    random = np.random.default_rng(0)
    noisy = (20 + random.normal(0, 6, (300, 400, 3))).clip(0, 255).astype(np.uint8)
    assert is_blank(Image.new("RGB", (300, 300), "white"))
    assert is_blank(Image.fromarray(noisy))
    shirt = Image.new("RGB", (300, 300), (250, 250, 250))
    shirt.paste((238, 238, 238), (80, 60, 220, 260))
    assert not is_blank(shirt)
    spot = Image.new("RGB", (320, 320), "white")
    spot.paste((0, 0, 0), (0, 0, 10, 10))  # one block of 1,024
    assert not is_blank(spot)
