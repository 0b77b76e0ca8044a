"""Calls that are tried again while there is time, and left off while they keep failing."""

from __future__ import annotations

import asyncio
import logging
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

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Caller:
    """Calls one endpoint, from as many threads as there are connections."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._told_failing = False
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
            ServiceError: it could not be had; the last error that the endpoint caused.
        """
        attempts = self._settings.endpoint_attempts
        earlier: Failure | None = None
        for attempt in range(1, attempts + 1):
            try:
                found = await self._attempt(work, end)
            except Failure as failure:
                self._tell(failure.error.detail)
                if earlier is not None and isinstance(failure.__cause__, CircuitOpen):
                    raise earlier.error from earlier  # which has opened it
                # Full jitter: callers that failed together do not come back together.
                pause = random.uniform(0, BACKOFF_SECONDS * 2 ** (attempt - 1))  # noqa: S311
                self._metrics.endpoint_failures.labels(failure.error.code).inc()
                last = attempt == attempts or time.perf_counter() + pause >= end
                if last or not failure.again:
                    raise failure.error from failure
                earlier = failure
                await asyncio.sleep(pause)
            else:
                self._tell("")
                return found
        raise AssertionError("there is one attempt at least")

    def _tell(self, why: str) -> None:
        """Log when the endpoint begins to be left alone, and when it answers again."""
        failing = self._breaker.is_failing
        if failing == self._told_failing:
            return
        self._told_failing = failing
        name, settings = self._settings.endpoint_name, self._settings
        if failing:
            _log.warning(
                "the endpoint %s failed %d times in a row, and is tried every %g s only: %s",
                *(name, settings.endpoint_failures, settings.endpoint_pause_seconds, why),
            )
        else:
            _log.info("the endpoint %s answers again", name)

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
