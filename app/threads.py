"""Work in a pool of threads, for coroutines that wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from app.cpu import available_cores
from app.errors import DeadlineExceeded
from app.settings import Settings

MAX_DECODE_THREADS = 4

T = TypeVar("T")


def decoding_pool(settings: Settings) -> ThreadPoolExecutor:
    """Threads that turn bytes into pixels: few, since they share the cores with what comes next."""
    threads = settings.decode_threads or min(MAX_DECODE_THREADS, available_cores())
    return ThreadPoolExecutor(threads, thread_name_prefix="decode")


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
