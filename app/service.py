"""What the routes share: the settings, the metrics, the predictor and the room for images."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import cast

from fastapi import Request

from app.admission import Admission, Received
from app.errors import NotReady
from app.memory import available_memory
from app.predictors import EXPLANATION_COST, LoadedModel, Predictor, PredictorError
from app.predictors.replaceable import Replaceable
from app.reload import Reloader
from app.settings import Settings
from app.telemetry import Metrics

UPLOAD_SHARE = 0.25
"""Of the memory available, for bodies that wait; most of the rest is for decoded photos."""

_log = logging.getLogger(__name__)

Load = Callable[[Settings, Metrics], Awaitable[Predictor]]


async def load_predictor(settings: Settings, metrics: Metrics) -> Predictor:
    """The predictor that the settings ask for, ready to answer.

    Raises:
        PredictorError: it cannot be had; the message says why, in one line.
    """
    if settings.backend == "sagemaker":
        from app.predictors.sagemaker import SageMakerPredictor

        return await SageMakerPredictor.load(settings, metrics)
    from app.predictors.local import LocalPredictor

    return await LocalPredictor.load(settings, metrics)


class Service:
    """Loads the predictor in the background, so that the process answers from the start."""

    def __init__(
        self, settings: Settings, on_failure: Callable[[str], None], load: Load = load_predictor
    ) -> None:
        """`on_failure` is told, in one line, why `load` could not give a predictor."""
        self.settings = settings
        self.metrics = Metrics()
        self._on_failure = on_failure
        self._load_predictor = load
        self._predictor: Predictor | None = None
        self._loading: asyncio.Task[None] | None = None
        self.admission = room = Admission(settings.max_images_in_work, _max_bytes(settings))
        self.metrics.images_in_work.set_function(lambda: room.images)
        self.metrics.images_in_work_limit.set(room.max_images)
        self.metrics.bytes_in_work.set_function(lambda: room.bytes)
        self.metrics.bytes_in_work_limit.set(room.max_bytes)

    @property
    def predictor(self) -> Predictor:
        """The predictor.

        Raises:
            NotReady: it is not there yet.
        """
        if self._predictor is None:
            raise NotReady(self._awaited)
        return self._predictor

    def receive(self) -> AbstractContextManager[Received]:
        """Hold room for a body; see `app.admission.Admission.receive`."""
        return self.admission.receive()

    def admit(self, images: int = 1, explain: bool = False) -> AbstractContextManager[None]:
        """Hold room for `images`, and for the work of explaining them.

        Raises:
            Overloaded: there is not enough.
        """
        if explain:
            # Never more than there is: a small service explains too, one photo at a time.
            images = min(images + EXPLANATION_COST, self.settings.max_images_in_work)
        return self.admission.admit(images)

    def start(self) -> None:
        """Begin to load."""
        self._loading = asyncio.get_running_loop().create_task(self._serve())

    async def stop(self) -> None:
        """Finish what was accepted."""
        if self._loading is not None:
            self._loading.cancel()
            with suppress(asyncio.CancelledError):
                await self._loading
        if self._predictor is not None:
            await self._predictor.close()

    async def _serve(self) -> None:
        """Load, then look for other models where that is wanted."""
        # The task holds no predictor itself: one that is replaced has to be freed.
        model = await self._load()
        if model is not None and self._reloads:
            await Reloader(self.settings, self.metrics, self._load_with, self._swap).run(model)
        elif model is not None and self.settings.reload_seconds:
            _log.warning(
                "GARMENT_RELOAD_SECONDS has no effect on a proxy: it follows its endpoint's model"
            )

    @property
    def _awaited(self) -> str:
        """What is waited for at the start, for a caller."""
        if self.settings.backend == "sagemaker":
            return (
                f"The endpoint {self.settings.endpoint_name} is not in service yet, or does not "
                "say which model it has; the log tells what it answers."
            )
        return "The model is being loaded and checked. Try again in a moment."

    @property
    def _source(self) -> str:
        """What the predictor comes from, for a message."""
        proxy = self.settings.backend == "sagemaker"
        return f"the endpoint {self.settings.endpoint_name}" if proxy else self.settings.model

    @property
    def _reloads(self) -> bool:
        return self.settings.reload_seconds > 0 and self.settings.backend == "local"

    async def _load(self) -> LoadedModel | None:
        """Load the first predictor; None where that failed, which is told."""
        try:
            predictor = await self._load_with(self.settings)
        except PredictorError as error:
            self._on_failure(str(error))
            return None
        except Exception as error:
            _log.exception("the model could not be loaded")
            self._on_failure(f"{self._source}: {error!r}")
            return None
        self._take(predictor)
        return predictor.model

    async def _load_with(self, settings: Settings) -> Predictor:
        return await self._load_predictor(settings, self.metrics)

    def _swap(self, predictor: Predictor) -> Predictor:
        """Let it answer from now on; the one before."""
        before = self.predictor
        self._take(predictor)
        return before

    def _take(self, predictor: Predictor) -> None:
        self._predictor = Replaceable(predictor) if self._reloads else predictor
        model = predictor.model
        self.metrics.show_model(model)
        _log.info(
            "ready: %s %s (%s, %s)",
            model.card.name,
            model.card.version,
            model.engine,
            model.precision,
            extra={"fields": {"sha256": model.sha256}},
        )


def _max_bytes(settings: Settings) -> int:
    share = int(UPLOAD_SHARE * available_memory())
    return settings.max_bytes_in_work or max(share, settings.largest_body_bytes)


def service_of(request: Request) -> Service:
    """The service that a request came to.

    A call, not a FastAPI dependency: those are found anew for each request, which takes longer
    than all else that a route does.
    """
    return cast("Service", request.app.state.service)
