"""Prometheus metrics; one registry for each app, so that two apps in one process do not mix."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.card import CATEGORIES
from app.predictors import Answer, LoadedModel
from app.review import REVIEW_REASONS

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PHASE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """What GET /metrics shows."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "garment_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "garment_request_seconds",
            "From the request's first byte to the answer's last.",
            ["route"],
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.errors = Counter(
            "garment_errors",
            "Errors answered, also those inside a batch.",
            ["code"],
            registry=registry,
        )
        self.phase_seconds = Histogram(
            "garment_phase_seconds",
            "Of one image: decode, queue, inference, explanation where it is asked for.",
            ["phase"],
            buckets=_PHASE_SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "garment_batch_size",
            "Images of one batch, those that cannot be read among them.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )
        self.queue_depth = Gauge(
            "garment_queue_depth", "Images waiting for a batch.", registry=registry
        )
        self.worker_processes = Gauge(
            "garment_worker_processes",
            "Other processes that decode and infer beside this one.",
            registry=registry,
        )
        self.worker_cpu_seconds = Counter(
            "garment_worker_cpu_seconds", "CPU time of those processes.", registry=registry
        )
        self.worker_memory = Gauge(
            "garment_worker_memory_bytes", "Resident memory of those processes.", registry=registry
        )
        self.images_in_work = Gauge(
            "garment_images_in_work", "Images accepted and not yet answered.", registry=registry
        )
        self.images_in_work_limit = Gauge(
            "garment_images_in_work_limit", "Beyond so many, 503.", registry=registry
        )
        self.bytes_in_work = Gauge(
            "garment_bytes_in_work",
            "Bytes of bodies accepted and not yet answered.",
            registry=registry,
        )
        self.bytes_in_work_limit = Gauge(
            "garment_bytes_in_work_limit", "Beyond so many, 503.", registry=registry
        )
        self.endpoint_failures = Counter(
            "garment_endpoint_failures",
            "Calls of the SageMaker endpoint that failed, each attempt by itself.",
            ["code"],
            registry=registry,
        )
        self.predictions = Counter(
            "garment_predictions", "Images answered, by category.", ["label"], registry=registry
        )
        self.review_reasons = Counter(
            "garment_review_reasons",
            "Answers that a person should look at, by reason.",
            ["reason"],
            registry=registry,
        )
        self.model_info = Gauge(
            "garment_model_info",
            "1 for the model that answers.",
            ["name", "version", "sha256", "engine", "precision"],
            registry=registry,
        )
        self.model_reloads = Counter(
            "garment_model_reloads",
            "Attempts to take another model: ok, or failed, so that the one before answers on.",
            ["result"],
            registry=registry,
        )
        for result in ("ok", "failed"):
            self.model_reloads.labels(result)
        self._of_request: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        # All are there from the start, so that rates are right, and need not be looked up later.
        self._of_category = [self.predictions.labels(label) for label in CATEGORIES]
        self._of_reason = {each: self.review_reasons.labels(each) for each in REVIEW_REASONS}
        self._decoding, self._queueing, self._inferring = (
            self.phase_seconds.labels(phase) for phase in ("decode", "queue", "inference")
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request.

        Args:
            method: of HTTP.
            route: as the service names it, never as it was sent: labels have to stay few.
            status: of HTTP.
            seconds: that it took.
        """
        key = method, route, status
        if key not in self._of_request:
            counted = self.requests.labels(method, route, status)
            self._of_request[key] = counted, self.request_seconds.labels(route)
        counted, timed = self._of_request[key]
        counted.inc()
        timed.observe(seconds)

    def count_answer(self, answer: Answer) -> None:
        """Count one image's answer."""
        self._of_category[answer.class_id].inc()
        for reason in answer.review_reasons:
            self._of_reason[reason].inc()
        self._decoding.observe(answer.decode_ms / 1000)
        self._queueing.observe(answer.queue_ms / 1000)
        self._inferring.observe(answer.inference_ms / 1000)
        if answer.explanation_ms is not None:
            self.phase_seconds.labels("explanation").observe(answer.explanation_ms / 1000)

    def show_model(self, model: LoadedModel) -> None:
        """Name the model that answers from now on."""
        self.model_info.clear()
        self.model_info.labels(
            model.card.name, model.card.version, model.sha256, model.engine, model.precision
        ).set(1)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
