"""An answer is held against the limits of its own background."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from app.artifact import Artifact
from app.card import BACKGROUNDS, Calibration
from app.predictors.local import LocalPredictor
from app.settings import Settings
from app.telemetry import Metrics
from tests.app.conftest import KnownEngine, encode, running, settings

LABEL = 3
"""KnownEngine gives it 0.9, each other 0.011, and 0.95 to being a garment."""

LENIENT = Calibration(
    temperature=1,
    review_confidence=0.5,
    review_margin=0.1,
    conformal_threshold=0.5,
    images=100,
    garment_threshold=0.5,
)


def answer_to(artifact: Artifact, strict_background: str, background: str, **strict: float) -> Any:
    """What is said of a photo on `background` where one background has its own limits."""
    calibration = dict.fromkeys(BACKGROUNDS, LENIENT)
    calibration[strict_background] = LENIENT.model_copy(update=strict)
    card = artifact.card.model_copy(update={"calibration": calibration})
    engine = KnownEngine()
    engine.go_on.set()

    async def load(values: Settings, metrics: Metrics) -> LocalPredictor:
        held = artifact.model_copy(update={"card": card})
        return LocalPredictor(held, engine, ThreadPoolExecutor(1), values, metrics)

    # Half of the photo has another colour: it is not blank.
    image = Image.new("RGB", (40, 40), (LABEL, BACKGROUNDS.index(background), 0))
    image.paste((250, 250, 250), (20, 0, 40, 40))
    with running(settings(), load) as server:
        return server.client.post("/predict", content=encode(image, "PNG")).json()


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize(
    ("limit", "value", "reasons", "labels"),
    [
        ("review_confidence", 0.95, ["low_confidence"], 1),
        ("conformal_threshold", 0.95, ["low_confidence"], 0),
        ("conformal_threshold", 0.01, ["ambiguous"], 10),
        ("review_margin", 0.9, ["ambiguous"], 1),
        ("garment_threshold", 0.96, ["not_a_garment"], 1),
    ],
)
def test_the_limits_are_those_of_the_background(
    artifact: Artifact, background: str, limit: str, value: float, reasons: list[str], labels: int
) -> None:
    for strict in BACKGROUNDS:
        answer = answer_to(artifact, strict, background, **{limit: value})
        assert answer["background"] == background
        assert answer["review_reasons"] == (reasons if strict == background else [])
        assert answer["needs_review"] == (strict == background)
        assert len(answer["labels"]) == (labels if strict == background else 1)
        if answer["labels"]:
            assert answer["labels"][0] == answer["label"]
