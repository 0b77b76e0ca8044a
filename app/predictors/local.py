"""The predictor that runs the model in this process."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app.artifact import Artifact, ArtifactError
from app.batching import Batcher
from app.cpu import available_cores
from app.engines import Engine, EngineError, Pixels, Scores, load_engine
from app.errors import DeadlineExceeded
from app.images import decode
from app.predictors import Answer, LoadedModel, PredictorError
from app.review import is_blank, review_reasons
from app.settings import Settings
from app.store import StoreError, fetch
from app.telemetry import Metrics

MAX_DECODE_THREADS = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Prepared:
    pixels: Pixels
    shortest_edge: int
    blank: bool


class LocalPredictor:
    """Decodes in a small pool of threads and infers in one thread of its own."""

    def __init__(
        self,
        artifact: Artifact,
        engine: Engine,
        inference: ThreadPoolExecutor,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """Use `load` instead; `engine` was loaded in `inference`, a pool of one thread."""
        self.model = LoadedModel(artifact.card, artifact.sha256, engine.name, engine.precision)
        self._settings = settings
        self._inference = inference
        cores = settings.decode_threads or min(MAX_DECODE_THREADS, available_cores())
        self._decoding = ThreadPoolExecutor(cores, thread_name_prefix="decode")
        self._batcher: Batcher[Pixels, Scores] = Batcher(
            engine.run,
            inference,
            max_batch=settings.batch_size,
            max_queue=settings.max_images_in_work,
            on_batch=metrics.batch_size.observe,
        )
        metrics.queue_depth.set_function(lambda: self._batcher.queued)

    @classmethod
    async def load(cls, settings: Settings, metrics: Metrics) -> LocalPredictor:
        """Fetch and verify the artifact, load it, warm it up and ask it its golden images.

        Raises:
            PredictorError: any of that failed.
        """
        inference = ThreadPoolExecutor(1, thread_name_prefix="inference")
        precision = None if settings.precision == "auto" else settings.precision
        threads = settings.threads or available_cores()

        def start() -> tuple[Artifact, Engine]:
            artifact = fetch(settings.model, settings.cache)
            return artifact, load_engine(artifact, precision, threads, settings.batch_size)

        try:
            artifact, engine = await _in(inference, start)
        except (StoreError, ArtifactError, EngineError) as error:
            inference.shutdown(wait=False)
            raise PredictorError(" ".join(str(error).split())) from error
        return cls(artifact, engine, inference, settings, metrics)

    async def predict(self, photo: bytes) -> Answer:
        """The answer to one photo; see `app.predictors.Predictor`."""
        started = time.perf_counter()
        settings = self._settings
        deadline = settings.deadline_seconds
        prepare = functools.partial(_prepare, photo, settings.max_image_pixels)
        try:
            async with asyncio.timeout(deadline):
                image = await _in(self._decoding, prepare)
        except TimeoutError as error:
            raise DeadlineExceeded(f"Not decoded within {deadline:g} seconds.") from error
        decoded = time.perf_counter()
        answered = await self._batcher.submit(image.pixels, deadline - (decoded - started))
        scores = answered.result
        reasons = review_reasons(
            scores.probabilities,
            scores.garment_probability,
            self.model.card.calibration,
            shortest_edge=image.shortest_edge,
            min_edge=settings.min_image_edge,
            blank=image.blank,
        )
        return Answer(
            probabilities=scores.probabilities,
            garment_probability=scores.garment_probability,
            review_reasons=reasons,
            model=self.model,
            decode_ms=1000 * (decoded - started),
            queue_ms=1000 * answered.queue_seconds,
            inference_ms=1000 * answered.run_seconds,
        )

    async def close(self) -> None:
        """Finish what was accepted, then stop the threads."""
        await self._batcher.close()
        self._decoding.shutdown(wait=False, cancel_futures=True)
        self._inference.shutdown(wait=False)


async def _in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def _prepare(photo: bytes, max_pixels: int) -> _Prepared:
    decoded = decode(photo, max_pixels=max_pixels)
    edge = min(decoded.width, decoded.height)
    return _Prepared(np.asarray(decoded.image), edge, is_blank(decoded.image))
