"""Take another model while the one before answers: found, fetched, proven, and only then swapped.

What cannot be had or answers its golden images wrong is told once and left alone for a while; the
model that answers stays.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from app.artifact import ArtifactError
from app.predictors import LoadedModel, Predictor, PredictorError
from app.settings import Settings
from app.store import StoreError, Watch, fetch
from app.telemetry import Metrics
from app.threads import run_in

SETTLE_SECONDS = 1.0
"""A file that is still being copied over changes within this time, most likely."""

RETRY_SECONDS, MAX_RETRY_SECONDS = 60.0, 3600.0
"""When a model that failed is tried again, unchanged: after the first, then after twice that..."""

_log = logging.getLogger(__name__)


class Reloader:
    """Looks for another model every GARMENT_RELOAD_SECONDS."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        load: Callable[[Settings], Awaitable[Predictor]],
        swap: Callable[[Predictor], Predictor],
    ) -> None:
        """Nothing happens before `run`.

        Args:
            settings: of the service; what its `model` names is watched.
            metrics: where it is counted what became of other models.
            load: gives a predictor for other settings.
            swap: lets a predictor answer from now on, and gives the one before.
        """
        self._settings, self._metrics = settings, metrics
        self._load, self._swap = load, swap
        self._watch = Watch(settings.model)
        # Not the event loop's pool, which is waited for at the end: a download may take long.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reload")
        self._closing: asyncio.Task[None] | None = None
        self._known: str | None = None
        """What `Watch.look` said of the model that answers."""
        self._failed: str | None = None
        """What it said of the one that was tried in vain, `_failures` times in a row."""
        self._failures = 0
        self._again = 0.0
        self._blind: type[Exception] | None = None
        """Why it could not be looked at the last time."""

    async def run(self, model: LoadedModel) -> None:
        """Look until cancelled; `model` is the one that answers at first."""
        period = self._settings.reload_seconds
        _log.info("%s is looked at every %g seconds", self._settings.model, period)
        try:
            # Services that were started together do not come together.
            await asyncio.sleep(period * random.random())  # noqa: S311  # no secret
            while True:
                model = await self._turn(model)
                await asyncio.sleep(period * random.uniform(0.8, 1.2))  # noqa: S311
        finally:
            if self._closing is not None:
                await self._closing
            self._pool.submit(self._watch.close)
            self._pool.shutdown(wait=False)

    async def _turn(self, model: LoadedModel) -> LoadedModel:
        """Look once; the model that answers afterwards."""
        seen = await self._look(model)
        if seen is None or seen == self._known:
            return model
        if seen == self._failed and time.monotonic() < self._again:
            return model
        await asyncio.sleep(min(SETTLE_SECONDS, self._settings.reload_seconds))
        if await self._look(model) != seen:
            return model
        try:
            new = await self._try(model)
        except Exception as error:
            self._fail(seen, model, error)
            return model
        self._known, self._failed, self._failures = seen, None, 0
        if new is None:
            return model
        self._closing = asyncio.create_task(_close(self._swap(new)))
        self._metrics.model_reloads.labels("ok").inc()
        # Shielded: it is ended whole, also when the service stops meanwhile.
        await asyncio.shield(self._closing)
        self._closing = None
        return new.model

    async def _look(self, model: LoadedModel) -> str | None:
        """What is seen; None where that cannot be told at the moment."""
        try:
            seen = await run_in(self._pool, self._watch.look)
        except Exception as error:
            if self._blind is not type(error):  # said once, not at every look
                _log.warning("version %s answers on: %s", model.card.version, _said(error))
            self._blind = type(error)
            return None
        if self._blind is not None:
            _log.info("%s can be looked at again", self._settings.model)
            self._blind = None
        return seen

    async def _try(self, model: LoadedModel) -> Predictor | None:
        """A predictor with what is named now, proven; None where that is the model that answers.

        Raises:
            Exception: it cannot be had, or fails.
        """
        reference, cache = self._settings.model, self._settings.cache
        # Not a copy from before: that would be taken for what is named now.
        get = functools.partial(fetch, reference, cache, stale=False)
        artifact = await run_in(self._pool, get)
        if artifact.sha256 == model.sha256:
            # So it is at the first look, which cannot know what the start has seen.
            level = logging.DEBUG if self._known is None else logging.INFO
            _log.log(level, "%s names version %s, which answers", reference, model.card.version)
            return None
        _log.info(
            "version %s is loaded while %s answers", artifact.card.version, model.card.version
        )
        # The very file that was verified, whatever is named meanwhile.
        settings = self._settings.model_copy(update={"model": str(artifact.path)})
        return await self._load(settings)

    def _fail(self, seen: str, model: LoadedModel, error: Exception) -> None:
        self._failures = self._failures + 1 if seen == self._failed else 1
        seconds = min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2 ** min(self._failures - 1, 9))
        self._failed, self._again = seen, time.monotonic() + seconds
        self._metrics.model_reloads.labels("failed").inc()
        _log.error(
            "%s is not taken, and version %s answers on: %s; tried again once it changes, or in "
            "%.0f seconds",
            self._settings.model,
            model.card.version,
            _said(error),
            seconds,
        )


def _said(error: Exception) -> str:
    """In one line; by its kind too where it is none that is thought of."""
    expected = isinstance(error, (StoreError, ArtifactError, PredictorError))
    return " ".join((str(error) if expected else repr(error)).split()).rstrip(".")


async def _close(predictor: Predictor) -> None:
    try:
        await predictor.close()
    except Exception:
        _log.exception("the model before could not be closed")
