"""Work in a pool of threads, for coroutines that wait for it."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.cpu import available_cores, schedule_as_batch
from app.errors import DeadlineExceeded
from app.image_bounds import LARGE_PIXELS
from app.images import LargeImage
from app.settings import Settings

MAX_DECODE_THREADS = 4

T = TypeVar("T")


class Decoding:
    """Threads that turn bytes into pixels: few, since they share the cores with what comes next.

    Images that take much memory have one thread, in which they wait for each other, and no other
    image waits for them.
    """

    def __init__(self, settings: Settings) -> None:
        threads = settings.decode_threads or min(MAX_DECODE_THREADS, available_cores())
        self._usual = computing_threads(threads, "decode")
        self._large = computing_threads(1, "decode-large")

    async def run_by(self, end: float, work: Callable[[], T], otherwise: str) -> T:
        """What `work`, which takes little memory, gives by `end`; see `run_by`."""
        return await run_by(end, self._usual, work, otherwise)

    async def decode_by(self, end: float, work: Callable[[int | None], T], otherwise: str) -> T:
        """What `work` gives by `end`; see `run_by`.

        Args:
            end: seconds of `time.perf_counter`.
            work: is told how many pixels it may hold, None for any number; raises LargeImage if
                it would hold more.
            otherwise: what DeadlineExceeded says.
        """
        try:
            return await run_by(end, self._usual, functools.partial(work, LARGE_PIXELS), otherwise)
        except LargeImage:
            return await run_by(end, self._large, functools.partial(work, None), otherwise)

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        for pool in (self._usual, self._large):
            pool.shutdown(wait=False, cancel_futures=True)


def computing_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Threads beside which the event loop has its turn first."""
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=schedule_as_batch)


async def run_in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """What `work` gives, called in a thread of `pool`."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


async def run_by(end: float, pool: ThreadPoolExecutor, work: Callable[[], T], otherwise: str) -> T:
    """What `work` gives by `end` (seconds of `time.perf_counter`).

    Raises:
        DeadlineExceeded: it did not end by then; `otherwise` says so.
    """
    try:
        async with asyncio.timeout(end - time.perf_counter()):
            return await run_in(pool, work)
    except TimeoutError as error:
        raise DeadlineExceeded(otherwise) from error
