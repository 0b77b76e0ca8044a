"""Predictors turn the bytes of a photo into an answer; the routes know this protocol alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.artifact import ModelCard
from app.review import ReviewReason


class PredictorError(Exception):
    """The predictor cannot be started; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The model that answers."""

    card: ModelCard
    sha256: str
    engine: str
    precision: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one photo."""

    probabilities: tuple[float, ...]
    """Of the ten categories, by class id."""
    garment_probability: float | None
    """Of being one of the ten at all; None when the model cannot tell."""
    review_reasons: tuple[ReviewReason, ...]
    model: LoadedModel
    """The one that gave this answer."""
    decode_ms: float
    queue_ms: float
    inference_ms: float


class Predictor(Protocol):
    """Ready to answer as soon as it exists."""

    @property
    def model(self) -> LoadedModel:
        """The model that answers now."""

    async def predict(self, photo: bytes) -> Answer:
        """The answer to one photo. Cancelling it takes it out of the queue.

        Raises:
            ServiceError: the photo cannot be read, or there is no room or time for it.
        """

    async def close(self) -> None:
        """Finish what was accepted and free what is held."""
