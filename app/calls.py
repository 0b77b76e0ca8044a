"""Calls that are tried again while there is time, and left off while they keep failing."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.breaker import CircuitBreaker, CircuitOpen
from app.endpoint import Failure
from app.errors import (
    DeadlineExceeded,
    EndpointFailed,
    EndpointTimeout,
    EndpointUnavailable,
    ServiceError,
)
from app.settings import Settings
from app.telemetry import Metrics
from app.threads import run_in

BACKOFF_SECONDS = 0.1
"""Before the second attempt at most; twice as much before each further one."""

T = TypeVar("T")


class Caller:
    """Calls one endpoint, from as many threads as there are connections."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._attempts = settings.endpoint_attempts
        self._metrics = metrics
        self._breaker = CircuitBreaker(settings.endpoint_failures, settings.endpoint_pause_seconds)
        self._pool = ThreadPoolExecutor(settings.endpoint_connections, thread_name_prefix="call")

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is left alone at the moment."""
        return self._breaker.is_open

    async def once(self, work: Callable[[], T]) -> T:
        """What `work` gives, whatever the breaker says: for looking whether it works again."""
        return await run_in(self._pool, work)

    async def patiently(self, work: Callable[[], T], end: float) -> T:
        """What `work` gives by `end` (seconds of `time.perf_counter`), tried several times.

        Raises:
            ServiceError: it could not be had; the last attempt's error.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._attempt(work, end)
            except Failure as failure:
                # Full jitter: callers that failed together do not come back together.
                pause = random.uniform(0, BACKOFF_SECONDS * 2 ** (attempt - 1))  # noqa: S311
                self._metrics.endpoint_failures.labels(failure.error.code).inc()
                last = attempt == self._attempts or time.perf_counter() + pause >= end
                if last or not failure.again:
                    raise failure.error from failure
                await asyncio.sleep(pause)
        raise AssertionError("there is one attempt at least")

    async def _attempt(self, work: Callable[[], T], end: float) -> T:
        begun = False

        def begin() -> T:
            nonlocal begun
            begun = True
            return work()

        try:
            with self._breaker.call(_is_broken):
                try:
                    async with asyncio.timeout(end - time.perf_counter()):
                        return await run_in(self._pool, begin)
                except TimeoutError as error:
                    late: ServiceError = EndpointTimeout("The endpoint did not answer in time.")
                    if not begun:  # which says nothing of the endpoint
                        late = DeadlineExceeded("No connection to the endpoint was free in time.")
                    raise Failure(late, again=False) from error
        except CircuitOpen as circuit:
            left_alone = EndpointUnavailable(
                "The endpoint failed several times in a row and is left alone for a while.",
                retry_after=math.ceil(circuit.seconds),
            )
            raise Failure(left_alone, again=False) from circuit

    def close(self) -> None:
        """Give up the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _is_broken(error: Exception) -> bool:
    """A throttled endpoint works: that is no reason to leave it alone."""
    broken = (EndpointFailed, EndpointTimeout, EndpointUnavailable)
    return isinstance(error, Failure) and isinstance(error.error, broken)
