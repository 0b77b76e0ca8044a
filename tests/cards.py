"""A model card for artifacts that tests make."""

from datetime import UTC, datetime
from typing import Any

from app.card import BACKGROUNDS, CATEGORIES, Calibration, ModelCard


def make_card(garment_threshold: float | None = None, **changed: Any) -> ModelCard:
    """A card with nothing remarkable on it but what is `changed`; one limit for all backgrounds."""
    calibration = Calibration(
        temperature=1.0,
        review_confidence=0.5,
        review_margin=0.1,
        conformal_threshold=0.3,
        images=100,
        garment_threshold=garment_threshold,
    )
    values: dict[str, Any] = {
        "name": "tiny",
        "version": "1.0.0",
        "architecture": "resnet18",
        "categories": list(CATEGORIES),
        "input_size": 112,
        "parameters": 1,
        "created": datetime(2026, 1, 1, tzinfo=UTC),
        "command": "made by a test",
        "hyperparameters": {},
        "sources": [],
        "figures": {},
        "calibration": dict.fromkeys(BACKGROUNDS, calibration),
        "limitations": [],
    }
    return ModelCard(**values | changed)
