"""The predictor that runs the model in this process."""

from __future__ import annotations

import dataclasses
import functools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.artifact import Artifact, ArtifactError
from app.batching import Batcher
from app.cpu import available_cores
from app.engines import Engine, EngineError, Explanation, Pixels, Scores
from app.engines.loading import load_engine
from app.heatmap import heatmap_png, input_png
from app.images import decode
from app.letterbox import LARGEST_EDGE
from app.predictors import (
    Answer,
    ExplanationImages,
    LoadedModel,
    PredictorError,
)
from app.review import is_blank, likely_classes, review_reasons
from app.settings import Settings
from app.store import StoreError, fetch
from app.telemetry import Metrics
from app.threads import Decoding, run_in


@dataclass(frozen=True, slots=True)
class _Prepared:
    pixels: Pixels
    shortest_edge: int
    blank: bool


class LocalPredictor:
    """Decodes in a small pool of threads and infers in threads of the engine's own."""

    def __init__(
        self,
        artifact: Artifact,
        engine: Engine,
        inference: ThreadPoolExecutor,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """Use `load` instead; `inference` has a thread for each of the engine's `parallel`."""
        self.model = LoadedModel(artifact.card, artifact.sha256, engine.name, engine.precision)
        self._settings = settings
        self._prepare = functools.partial(_prepare, engine, settings.max_image_pixels)
        self._inference = inference
        self._decoding = Decoding(settings)
        self._batcher: Batcher[Pixels, Scores] = Batcher(
            engine.run,
            inference,
            max_batch=settings.batch_size,
            max_queue=settings.max_images_in_work,
            parallel=engine.parallel,
            on_batch=metrics.batch_size.observe,
        )
        # One at a time, and in the same threads: the executor takes turns between the two, so that
        # a photo waits for one explanation at most, however many there are.
        self._explainer: Batcher[tuple[Pixels, int], Explanation] = Batcher(
            lambda items: [engine.explain(pixels, class_id) for pixels, class_id in items],
            inference,
            max_batch=1,
            max_queue=settings.max_images_in_work,
        )
        metrics.queue_depth.set_function(lambda: self._batcher.queued + self._explainer.queued)

    @classmethod
    async def load(cls, settings: Settings, metrics: Metrics) -> LocalPredictor:
        """Fetch and verify the artifact, load it, warm it up and ask it its golden images.

        Raises:
            PredictorError: any of that failed.
        """
        precision = None if settings.precision == "auto" else settings.precision
        threads = settings.threads or available_cores()

        def start() -> tuple[Artifact, Engine]:
            artifact = fetch(settings.model, settings.cache)
            engine = load_engine(
                artifact,
                precision,
                threads,
                settings.batch_size,
                choice=settings.engine,
            )
            return artifact, engine

        # Not the event loop's pool, which is waited for at the end: a download may take long.
        starting = ThreadPoolExecutor(1, thread_name_prefix="start")
        try:
            artifact, engine = await run_in(starting, start)
        except (StoreError, ArtifactError, EngineError) as error:
            raise PredictorError(" ".join(str(error).split())) from error
        finally:
            starting.shutdown(wait=False)
        inference = ThreadPoolExecutor(engine.parallel, thread_name_prefix="inference")
        return cls(artifact, engine, inference, settings, metrics)

    def check_ready(self) -> None:
        """It is from the start: a model that is loaded stays."""

    async def predict(self, photo: bytes, explain: bool = False) -> Answer:
        """The answer to one photo; see `app.predictors.Predictor`."""
        started = time.perf_counter()
        settings = self._settings
        deadline = settings.deadline_seconds
        end = started + deadline
        prepare = functools.partial(self._prepare, photo)
        late = f"Not decoded within {deadline:g} seconds."
        image = await self._decoding.decode_by(end, prepare, late)
        decoded = time.perf_counter()
        answered = await self._batcher.submit(image.pixels, end - decoded)
        scores = answered.result
        calibration = self.model.card.calibration[scores.background]
        answer = Answer(
            probabilities=scores.probabilities,
            garment_probability=scores.garment_probability,
            background=scores.background,
            likely_classes=likely_classes(scores.probabilities, calibration),
            review_reasons=review_reasons(
                scores.probabilities,
                scores.garment_probability,
                calibration,
                shortest_edge=image.shortest_edge,
                min_edge=settings.min_image_edge,
                blank=image.blank,
            ),
            model=self.model.identity,
            decode_ms=1000 * (decoded - started),
            queue_ms=1000 * answered.queue_seconds,
            inference_ms=1000 * answered.run_seconds,
        )
        return await self._explained(answer, image.pixels, end) if explain else answer

    async def _explained(self, answer: Answer, pixels: Pixels, end: float) -> Answer:
        """The answer with an explanation of its most likely category, by `end`."""
        started = time.perf_counter()
        explained = await self._explainer.submit((pixels, answer.class_id), end - started)
        draw = functools.partial(_draw, explained.result)
        late = f"Not explained within {self._settings.deadline_seconds:g} seconds."
        images = await self._decoding.run_by(end, draw, late)
        return dataclasses.replace(
            answer, explanation=images, explanation_ms=1000 * (time.perf_counter() - started)
        )

    async def close(self) -> None:
        """Finish what was accepted, then stop the threads."""
        await self._batcher.close()
        await self._explainer.close()
        self._decoding.close()
        self._inference.shutdown(wait=False)


def _draw(explanation: Explanation) -> ExplanationImages:
    return ExplanationImages(input_png(explanation), heatmap_png(explanation))


def _prepare(engine: Engine, max_pixels: int, photo: bytes, large: bool) -> _Prepared:
    decoded = decode(photo, max_pixels=max_pixels, max_edge=LARGEST_EDGE, large=large)
    edge = min(decoded.width, decoded.height)
    return _Prepared(engine.prepare(decoded.image), edge, is_blank(decoded.image))
