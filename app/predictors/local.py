"""The predictor that runs the model here: in this process, and in others beside it."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from app.artifact import Artifact, ArtifactError
from app.batching import Batcher
from app.cpu import available_cores
from app.engines import Engine, EngineError, Explanation, Pixels
from app.engines.loading import load_engine
from app.heatmap import heatmap_png, input_png
from app.images import LargeImage
from app.memory import available_memory
from app.predictors import (
    Answer,
    ExplanationImages,
    LoadedModel,
    PredictorError,
)
from app.predictors.crew import Crew
from app.predictors.judging import SMALL_BYTES, Judged, Photo, Prepared, judge, prepare, upright
from app.predictors.messages import Job
from app.review import likely_classes, review_reasons
from app.settings import Settings
from app.store import StoreError, fetch, hold
from app.telemetry import Metrics
from app.threads import Decoding, computing_threads, run_in

MAX_PROCESSES = 4
"""Beyond so many, this one, which speaks HTTP, has no time to give them work."""

QUIET = 8
"""After so many photos in a row of which each came alone, one has all threads: it is answered
earlier then, but those threads take time from the next photo, were there one."""

PROCESS_BYTES = 2**30
"""Memory that there has to be for each process."""


class LocalPredictor:
    """Decodes and infers in threads of its own and in a crew of other processes.

    A small photo is decoded where it is inferred; others in a small pool of threads before.
    """

    def __init__(
        self,
        artifact: Artifact,
        engine: Engine,
        inference: ThreadPoolExecutor,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        """Use `load` instead; `inference` has a thread for each of the engine's `parallel`."""
        max_pixels = settings.max_image_pixels
        self.model = LoadedModel(artifact.card, artifact.sha256, engine.name, engine.precision)
        self._settings, self._metrics = settings, metrics
        self._prepare = functools.partial(prepare, engine, max_pixels)
        self._inference = inference
        self._decoding = Decoding(settings)
        self._crew: Crew | None = None
        self._held = hold(artifact.path)
        self._in_work = self._alone_in_a_row = 0
        self._batcher: Batcher[Photo, Judged] = Batcher(
            lambda photos: judge(engine, max_pixels, photos, alone=self._is_quiet),
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
        processes = settings.processes or _processes(threads)
        own, *others = _shares(threads, processes)

        def start() -> tuple[Artifact, Engine]:
            artifact = fetch(settings.model, settings.cache)
            engine = load_engine(
                artifact,
                precision,
                own,
                settings.batch_size,
                choice=settings.engine,
                threads_alone=threads,
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
        inference = computing_threads(engine.parallel, "inference")
        predictor = cls(artifact, engine, inference, settings, metrics)
        job = Job(
            model=artifact.path.resolve(),
            sha256=artifact.sha256,
            engine=engine.name,
            precision=engine.precision,
            threads=own,
            batch_size=settings.batch_size,
            max_pixels=settings.max_image_pixels,
            log_format=settings.log_format,
            log_level=settings.log_level,
        )
        predictor.hire([dataclasses.replace(job, threads=share) for share in others])
        return predictor

    def hire(self, jobs: Sequence[Job]) -> None:
        """Let other processes, one for each job, work beside this one, once they are ready."""
        seconds = 2 * self._settings.deadline_seconds
        self._crew = Crew(jobs, self._batcher.serve, seconds, self._metrics)

    def check_ready(self) -> None:
        """It is from the start: a model that is loaded stays."""

    async def predict(self, photo: bytes, explain: bool = False) -> Answer:
        """The answer to one photo; see `app.predictors.Predictor`."""
        self._in_work += 1
        self._alone_in_a_row = self._alone_in_a_row + 1 if self._in_work == 1 else 0
        try:
            return await self._answer(photo, explain)
        finally:
            self._in_work -= 1

    @property
    def _is_quiet(self) -> bool:
        """Whether the next photo is not likely to come while this one is inferred."""
        return self._in_work == 1 and self._alone_in_a_row >= QUIET

    async def _answer(self, photo: bytes, explain: bool) -> Answer:
        started = time.perf_counter()
        settings = self._settings
        end = started + settings.deadline_seconds
        prepared = None
        if explain or len(photo) > SMALL_BYTES:
            prepared = await self._decoded(photo, end)
        decoded = time.perf_counter()
        try:
            answered = await self._batcher.submit(
                prepared or photo, end - decoded, here=self._is_quiet
            )
        except LargeImage:
            prepared = await self._decoded(photo, end)
            decoded = time.perf_counter()
            answered = await self._batcher.submit(prepared, end - decoded)
        judged, scores = answered.result, answered.result.scores
        decode_seconds = decoded - started + judged.decode_seconds
        waited = answered.queue_seconds + answered.run_seconds
        calibration = self.model.card.calibration[scores.background]
        answer = Answer(
            probabilities=scores.probabilities,
            garment_probability=scores.garment_probability,
            background=scores.background,
            rotation=90 * scores.quarter_turns,
            likely_classes=likely_classes(scores.probabilities, calibration),
            review_reasons=review_reasons(
                scores.probabilities,
                scores.garment_probability,
                calibration,
                shortest_edge=judged.shortest_edge,
                min_edge=settings.min_image_edge,
                blank=judged.blank,
            ),
            model=self.model.identity,
            decode_ms=1000 * decode_seconds,
            queue_ms=1000 * max(0.0, waited - judged.decode_seconds - judged.run_seconds),
            inference_ms=1000 * judged.run_seconds,
        )
        if explain and prepared is not None:
            return await self._explained(
                answer, upright(prepared.pixels, scores.quarter_turns), end
            )
        return answer

    async def _decoded(self, photo: bytes, end: float) -> Prepared:
        """The photo decoded in a thread, by `end`."""
        work = functools.partial(self._prepare, photo)
        late = f"Not decoded within {self._settings.deadline_seconds:g} seconds."
        return await self._decoding.decode_by(end, work, late)

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
        if self._crew is not None:
            await self._crew.close()
        self._held.close()
        self._decoding.close()
        self._inference.shutdown(wait=False)


def _draw(explanation: Explanation) -> ExplanationImages:
    return ExplanationImages(input_png(explanation), heatmap_png(explanation))


def _processes(threads: int) -> int:
    """How many processes share so many threads."""
    return max(1, min(threads, MAX_PROCESSES, available_memory() // PROCESS_BYTES))


def _shares(threads: int, processes: int) -> list[int]:
    """Threads of each process, this one first: where they differ, the others have one more."""
    return [max(1, (threads + number) // processes) for number in range(processes)]
