"""Many callers, one batch: knows neither HTTP nor images.

An idle batcher waits for nothing. While one batch runs, the next one gathers, up to two items or a
short time where other lanes are idle. The queue is bounded and refuses at once; whoever gave up
waiting, or ran out of time, costs no inference; an error reaches the one item that caused it and
not its batch-mates; what a lane that closed had in work is answered by another one.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import DeadlineExceeded, Overloaded, ShuttingDown

GATHER_SECONDS = 0.006
GATHER_ITEMS = 2
"""How long items are left to the lanes that are at work while others are idle, and up to how many:
each of two takes a quarter less of the processor than one alone, and more would be waited for."""

Item = TypeVar("Item")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered(Generic[Result]):
    """A result, and what it took."""

    result: Result
    queue_seconds: float
    run_seconds: float
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Answered[Result]]
    since: float


class LaneClosed(Exception):
    """A lane runs nothing any more; it may have run a part of what it was given."""


class Batcher(Generic[Item, Result]):
    """Runs `run` on lists of items, `parallel` lists at a time, in `executor`; or other lanes do.

    To be made and used within one event loop.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result | Exception]],
        executor: Executor,
        *,
        max_batch: int,
        max_queue: int,
        parallel: int = 1,
        on_batch: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Start the batcher.

        Args:
            run: gives one result for each item, or what is wrong with it, in order. Called in
                `executor`.
            executor: where `run` is called; it has a thread for each of `parallel`.
            max_batch: most items in one call of `run`.
            max_queue: most items that wait for one; the next is refused.
            parallel: batches that run at the same time.
            on_batch: told the size of each batch before it runs.
        """
        self._run = run
        self._executor = executor
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._on_batch = on_batch
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._enough = min(GATHER_ITEMS, max_batch)
        self._idle: dict[int, asyncio.Future[None]] = {}
        self._waking = 0  # lanes that were idle and have not taken their share yet
        self._lanes = itertools.count()
        self._eager: set[int] = set()
        self._gathering: asyncio.TimerHandle | None = None
        self._closed = False
        self._here = range(parallel)
        self._workers = {self._start(self._run_here) for _ in self._here}

    async def serve(
        self,
        lane: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        spare: bool = False,
    ) -> bool:
        """Let one more lane run batches, one at a time, until it raises LaneClosed.

        While there is one that is not spare, the others, and this process's own, leave the items
        to it until GATHER_ITEMS of them wait; after GATHER_SECONDS this process takes them.

        Args:
            lane: as `run` above.
            spare: whether it costs more than another lane, or comes after it.

        Returns:
            Whether it has closed, and not the batcher.
        """

        async def run(batch: list[_Waiting[Item, Result]]) -> _Ran[Item, Result]:
            return batch, await lane([waiting.item for waiting in batch])

        working = self._start(run, spare)
        self._workers.add(working)
        try:
            return await working
        finally:
            self._workers.discard(working)

    @property
    def queued(self) -> int:
        """Items waiting for a batch."""
        return len(self._queue)

    async def submit(
        self,
        item: Item,
        timeout: float,  # noqa: ASYNC109
        here: bool = False,
    ) -> Answered[Result]:
        """The result for `item`; when cancelled, the item leaves the queue.

        Args:
            item: for `run`.
            timeout: in seconds.
            here: whether this process had better run it, if it is idle.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: no result within `timeout` seconds.
            ShuttingDown: the batcher is closed.
            Exception: what `run` raised for this item.
        """
        if self._closed:
            raise ShuttingDown("The service is shutting down.")
        if timeout <= 0:
            raise DeadlineExceeded("No time was left for an answer.")
        if len(self._queue) >= self._max_queue:
            raise Overloaded(f"{self._max_queue} images are waiting already.")
        future: asyncio.Future[Answered[Result]] = asyncio.get_running_loop().create_future()
        waiting: _Waiting[Item, Result] = _Waiting(item, future, time.perf_counter())
        self._queue.append(waiting)
        self._wake(here)
        try:
            async with asyncio.timeout(timeout) as limit:
                return await future
        except TimeoutError as error:
            if not limit.expired():  # `run` itself raised a TimeoutError
                raise
            raise DeadlineExceeded(f"No answer within {timeout:g} seconds.") from error
        finally:
            if waiting in self._queue:
                self._queue.remove(waiting)

    async def close(self) -> None:
        """Finish what was submitted, refuse what comes, then stop."""
        self._closed = True
        while self._idle:
            self._wake()
        await asyncio.gather(*self._workers)
        if self._gathering is not None:
            self._gathering.cancel()

    def _start(self, run: _Run[Item, Result], spare: bool = True) -> asyncio.Task[bool]:
        number = next(self._lanes)
        if not spare:
            self._eager.add(number)
        return asyncio.get_running_loop().create_task(self._work(number, run))

    def _wake(self, here: bool = False) -> None:
        """Let an idle lane look at the queue, if there is one for what waits."""
        if not self._idle:
            return
        number = min(self._idle)
        if not (here and number in self._here):
            # This process has other work too, so its own lanes are the last.
            number = max(self._idle, key=lambda idle: (idle in self._eager, idle))
            if not self._is_for(number):
                self._gather()
                return
        self._waking += 1
        self._idle.pop(number).set_result(None)

    def _gather(self) -> None:
        """Leave what waits to the lanes that are at work, for a while."""
        if self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        if self._queue:
            self._wake(here=True)

    def _is_for(self, number: int) -> bool:
        """Whether a lane is to take what waits."""
        if number in self._eager or not self._eager or self._closed:
            return True
        return len(self._queue) >= self._enough

    async def _work(self, number: int, run: _Run[Item, Result]) -> bool:
        """Take batches until the batcher is closed; or the lane, which is true then."""
        woken = False
        while self._queue or not self._closed:
            if not self._queue or not (woken or self._is_for(number)):
                if self._queue:
                    self._gather()
                self._idle[number] = asyncio.get_running_loop().create_future()
                await self._idle[number]
                self._waking -= 1
                woken = True
                continue
            woken = False
            # Others that are woken take their share.
            share = math.ceil(len(self._queue) / (1 + self._waking))
            batch = [self._queue.popleft() for _ in range(min(self._max_batch, share))]
            try:
                await self._answer(run, batch)
            except LaneClosed:
                self._eager.discard(number)
                self._queue.extendleft(reversed(_wanted(batch)))
                if not self._closed:
                    for _ in self._queue:
                        self._wake()
                    return True
                run = self._run_here  # the others may have ended
        return False

    async def _answer(self, run: _Run[Item, Result], batch: list[_Waiting[Item, Result]]) -> None:
        """Run one batch; when it fails, each of its items alone."""
        batch = _wanted(batch)
        if not batch:
            return
        started = time.perf_counter()
        self._on_batch(len(batch))
        try:
            batch, results = await run(batch)
            if len(results) != len(batch):
                raise RuntimeError(f"{len(batch)} items gave {len(results)} results")
        except LaneClosed:
            raise
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            _log.warning("a batch of %d failed, trying its items alone: %r", len(batch), error)
            for waiting in batch:
                await self._answer(run, [waiting])
            return
        ended = time.perf_counter()
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                _fail(waiting, result)
            elif not waiting.future.done():
                queued = started - waiting.since
                waiting.future.set_result(Answered(result, queued, ended - started, len(batch)))

    async def _run_here(self, batch: list[_Waiting[Item, Result]]) -> _Ran[Item, Result]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._call, batch)

    def _call(self, batch: list[_Waiting[Item, Result]]) -> _Ran[Item, Result]:
        """In a thread: what is still wanted of `batch`, and its results."""
        batch = _wanted(batch)  # the thread may have been waited for
        return batch, self._run([waiting.item for waiting in batch]) if batch else []


_Ran = tuple[list[_Waiting[Item, Result]], Sequence[Result | Exception]]
"""What was still wanted of a batch, and its results."""

_Run = Callable[[list[_Waiting[Item, Result]]], Awaitable[_Ran[Item, Result]]]


def _wanted(batch: list[_Waiting[Item, Result]]) -> list[_Waiting[Item, Result]]:
    return [waiting for waiting in batch if not waiting.future.done()]


def _fail(waiting: _Waiting[Item, Result], error: Exception) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
