"""Predictors turn the bytes of a photo into an answer; the routes know this protocol alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.card import Background, ModelCard
from app.review import ReviewReason

EXPLANATION_COST = 30
"""An explanation takes as much work as the answers to so many images."""


class PredictorError(Exception):
    """The predictor cannot be started; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model answered."""

    name: str
    version: str
    sha256: str
    variant: str | None = None
    """Production variant of the SageMaker endpoint; None without one."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """The model that answers."""

    card: ModelCard
    sha256: str
    engine: str
    precision: str

    @property
    def identity(self) -> ModelIdentity:
        """Its name, version and SHA-256."""
        return ModelIdentity(self.card.name, self.card.version, self.sha256)


@dataclass(frozen=True, slots=True)
class ExplanationImages:
    """Why the answer is what it is, as two PNG files."""

    input: bytes
    """What the model saw."""
    heatmap: bytes | None
    """Where in it the evidence lies; None when the model has no map of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one photo."""

    probabilities: tuple[float, ...]
    """Of the ten categories, by class id."""
    garment_probability: float | None
    """Of being one of the ten at all; None when the model cannot tell."""
    background: Background
    """What lies around the garment; the model's limits depend on it."""
    rotation: int
    """Degrees, clockwise, by which the photo was turned before it was answered."""
    likely_classes: tuple[int, ...]
    """The class ids that are likely enough, largest probability first; see `app.review`."""
    review_reasons: tuple[ReviewReason, ...]
    model: ModelIdentity
    """The one that gave this answer."""
    decode_ms: float
    queue_ms: float
    inference_ms: float
    explanation: ExplanationImages | None = None
    """Of the most likely category; None when it was not asked for."""
    explanation_ms: float | None = None
    """Waiting for it included."""

    @property
    def class_id(self) -> int:
        """The most likely category's."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)


class Predictor(Protocol):
    """Ready to answer as soon as it exists."""

    @property
    def model(self) -> LoadedModel:
        """The model that answers now."""

    def check_ready(self) -> None:
        """Whether photos may be sent now.

        Raises:
            NotReady: what answers them is not there at the moment.
        """

    async def predict(self, photo: bytes, explain: bool = False) -> Answer:
        """The answer to one photo, with `explain` and why. Cancelling it takes it out of the queue.

        Raises:
            ServiceError: the photo cannot be read, or there is no room or time for it.
        """

    async def close(self) -> None:
        """Finish what was accepted and free what is held."""
