"""The predictor that hands photos on to a SageMaker endpoint: no model and no torch here."""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
import time
from dataclasses import dataclass

from pydantic import ValidationError

from app.calls import Caller
from app.card import CATEGORIES
from app.credentials import told_of_unreadable
from app.endpoint import SERVING, Endpoint, Failure, Invoked
from app.errors import EndpointError, EndpointFailed, EndpointRefused, NotReady
from app.images import decode
from app.invocation import JSON
from app.letterbox import LARGEST_EDGE
from app.payload import encode
from app.predictors import Answer, ExplanationImages, LoadedModel, ModelIdentity, PredictorError
from app.review import REVIEW_REASONS, ReviewReason, is_blank
from app.schemas import Explanation, ModelDescription, Prediction, adapter
from app.settings import Settings
from app.store.explain import said
from app.telemetry import Metrics
from app.threads import Decoding
from app.trimming import trim

POLL_SECONDS = 5.0
"""How often the endpoint's state is asked for."""

FAILED_POLLS = 3
"""So many in a row, and the endpoint is taken for gone. One alone may be AWS's throttling, which
meets all proxies at the same time, while the endpoint answers."""

OF_THE_UPLOAD: tuple[ReviewReason, ...] = ("too_small", "blank_image")
"""Reasons that are found in the photo as it was uploaded, not as it is sent on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    payload: bytes
    reasons: frozenset[ReviewReason]


class SageMakerPredictor:
    """Decodes and shrinks in a small pool of threads, and calls the endpoint from another."""

    def __init__(
        self,
        endpoint: Endpoint,
        caller: Caller,
        model: LoadedModel,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """Use `load` instead; `model` is what the endpoint said of itself."""
        self.model = model
        self._endpoint, self._caller = endpoint, caller
        self._settings, self._metrics = settings, metrics
        self._decoding = Decoding(settings)
        self._state = SERVING[0]
        self._answered_by = model.sha256
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    @classmethod
    async def load(cls, settings: Settings, metrics: Metrics) -> SageMakerPredictor:
        """Wait until the endpoint is in service, and ask it for its model's card.

        Raises:
            PredictorError: AWS cannot be used as it is configured.
        """
        try:
            endpoint = Endpoint(settings)
        except Exception as error:
            detail = f"AWS cannot be used as it is configured: {said(error)}."
            raise PredictorError(detail) from error
        caller = Caller(settings, metrics)
        told = ""
        while True:
            try:
                state = await caller.once(endpoint.state)
                if state in SERVING:
                    model = await caller.once(functools.partial(_describe, endpoint))
                    return cls(endpoint, caller, model, settings, metrics)
            except Failure as failure:
                if isinstance(failure.error, EndpointRefused):
                    detail = failure.error.detail + told_of_unreadable()
                    raise PredictorError(detail) from failure
                state = failure.error.detail
            if state != told:
                _log.warning("waiting for the endpoint %s: %s", endpoint.name, state)
                told = state
            await asyncio.sleep(POLL_SECONDS)

    def check_ready(self) -> None:
        """See `app.predictors.Predictor`."""
        if self._state not in SERVING:
            raise NotReady(f"The endpoint {self._endpoint.name} is not in service: {self._state}")
        if self._caller.is_open:
            raise NotReady(f"The endpoint {self._endpoint.name} failed several times in a row.")

    async def predict(self, photo: bytes, explain: bool = False) -> Answer:
        """The answer to one photo; see `app.predictors.Predictor`."""
        started = time.perf_counter()
        seconds = self._settings.deadline_seconds
        end = started + seconds
        size = self.model.card.input_size
        prepare = functools.partial(_prepare, photo, size, self._settings)
        late = f"Not decoded within {seconds:g} seconds."
        prepared = await self._decoding.decode_by(end, prepare, late)
        decoded = time.perf_counter()
        attributes = "explain=true" if explain else ""
        invoke = functools.partial(self._endpoint.invoke, prepared.payload, "image/png", attributes)
        invoked = await self._caller.patiently(invoke, end)
        called = time.perf_counter()
        said = _parsed(invoked, self._endpoint.name)
        self._answered_by = said.model.sha256
        reasons = {reason for reason in said.review_reasons if reason not in OF_THE_UPLOAD}
        return Answer(
            probabilities=_by_class(said),
            garment_probability=said.garment_probability,
            background=said.background,
            rotation=said.rotation,
            likely_classes=tuple(CATEGORIES.index(label) for label in said.labels),
            review_reasons=tuple(
                reason for reason in REVIEW_REASONS if reason in reasons | prepared.reasons
            ),
            model=ModelIdentity(
                said.model.name, said.model.version, said.model.sha256, invoked.variant
            ),
            decode_ms=1000 * (decoded - started),
            queue_ms=said.timings_ms.queue,
            inference_ms=1000 * (called - decoded),
            explanation=_images(said.explanation),
            explanation_ms=said.timings_ms.explanation,
        )

    async def close(self) -> None:
        """Stop watching, and close the connections."""
        self._watching.cancel()
        await asyncio.wait([self._watching])  # unlike await alone, raises nothing of the task's
        self._decoding.close()
        self._caller.close()
        self._endpoint.close()

    async def _watch(self) -> None:
        """Know whether the endpoint is in service, and the card of the model that answers now."""
        failed = 0
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                state = await self._caller.once(self._endpoint.state)
                if self._answered_by != self.model.sha256:
                    await self._take_model()
                failed = 0
            except Exception as error:
                failed += 1
                expected = isinstance(error, Failure)
                if not expected and failed <= FAILED_POLLS:  # not for ever, at every look
                    _log.exception("the endpoint %s: it cannot be looked at", self._endpoint.name)
                why = str(error) if expected else "it cannot be looked at; the log tells why"
                state = why if failed >= FAILED_POLLS else self._state
            if state != self._state:
                _log.warning("the endpoint %s: %s", self._endpoint.name, state)
                self._state = state

    async def _take_model(self) -> None:
        """The card of the model that answers since an update."""
        self.model = await self._caller.once(functools.partial(_describe, self._endpoint))
        self._metrics.show_model(self.model)
        card = self.model.card
        _log.info("the endpoint %s: %s %s answers", self._endpoint.name, card.name, card.version)


def _prepare(photo: bytes, size: int, settings: Settings, most_held: int | None) -> _Prepared:
    limit = settings.max_image_pixels
    whole = decode(photo, max_pixels=limit, max_edge=LARGEST_EDGE, most_held=most_held)
    decoded = trim(whole)
    small = min(decoded.width, decoded.height) < settings.min_image_edge
    holds = {"too_small": small, "blank_image": is_blank(decoded.image)}
    reasons = frozenset(reason for reason in OF_THE_UPLOAD if holds[reason])
    return _Prepared(encode(decoded.image, size), reasons)


def _describe(endpoint: Endpoint) -> LoadedModel:
    body = endpoint.invoke(b'{"describe": true}', JSON).body
    try:
        said = ModelDescription.model_validate_json(body)
    except ValidationError as error:
        raise Failure(_no_answer(endpoint.name), again=True) from error
    return LoadedModel(said.card, said.sha256, said.engine, said.precision)


def _parsed(invoked: Invoked, endpoint: str) -> Prediction:
    try:
        said: Prediction = adapter(Prediction).validate_json(invoked.body)
    except ValidationError as error:
        raise _no_answer(endpoint) from error
    if {row.class_id for row in said.probabilities} != set(range(len(CATEGORIES))):
        raise _no_answer(endpoint)
    return said


def _no_answer(name: str) -> EndpointError:
    return EndpointFailed(
        f"The endpoint {name} answered, and not as this service does: it runs another container."
    )


def _by_class(said: Prediction) -> tuple[float, ...]:
    by_class = {row.class_id: row.probability for row in said.probabilities}
    return tuple(by_class[class_id] for class_id in range(len(CATEGORIES)))


def _images(explanation: Explanation | None) -> ExplanationImages | None:
    if explanation is None:
        return None
    heatmap = explanation.heatmap
    return ExplanationImages(_png(explanation.input), _png(heatmap) if heatmap else None)


def _png(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])
