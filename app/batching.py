"""Many callers, one batch: knows neither HTTP nor images.

An idle batcher waits for nothing. While one batch runs, the next one gathers, up to two items or a
short time where other lanes are idle. The queue is bounded and refuses at once; whoever gave up
waiting, or ran out of time, costs no inference; an error reaches the one item that caused it and
not its batch-mates; what a lane that closed had is answered by another one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Generic

from app.errors import DeadlineExceeded, Overloaded, ShuttingDown
from app.lanes import LaneClosed, Lanes
from app.waiting import Answered, Item, Queue, Result, Waiting, wanted

_log = logging.getLogger(__name__)


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
        self._queue: Queue[Item, Result] = Queue()
        self._lanes = Lanes(self._queue, parallel, max_batch)
        loop = asyncio.get_running_loop()
        numbers = [self._lanes.add(spare=True) for _ in range(parallel)]
        self._workers = {loop.create_task(self._work(one, self._run_here)) for one in numbers}

    async def serve(
        self,
        lane: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        spare: bool = False,
        ended: asyncio.Future[None] | None = None,
    ) -> bool:
        """Let one more lane run batches, one at a time, until it raises LaneClosed.

        Args:
            lane: as `run` above.
            spare: see `app.lanes.Lanes`.
            ended: done as soon as the lane runs nothing any more, also while it is idle.

        Returns:
            Whether it has closed, and not the batcher.
        """
        if self._lanes.closed:
            return False  # `close` would not wait for it

        async def run(batch: list[Waiting[Item, Result]]) -> _Ran[Item, Result]:
            return batch, await lane([waiting.item for waiting in batch])

        number = self._lanes.add(spare)
        if ended is not None:
            ended.add_done_callback(lambda _: self._lanes.rouse(number))
        working = asyncio.get_running_loop().create_task(self._work(number, run, ended))
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
        if self._lanes.closed:
            raise ShuttingDown("The service is shutting down.")
        if timeout <= 0:
            raise DeadlineExceeded("No time was left for an answer.")
        if len(self._queue) >= self._max_queue:
            raise Overloaded(f"{self._max_queue} images are waiting already.")
        future: asyncio.Future[Answered[Result]] = asyncio.get_running_loop().create_future()
        waiting = Waiting(item, future, time.perf_counter())
        self._queue.add(waiting)
        self._lanes.wake(here)
        try:
            async with asyncio.timeout(timeout) as limit:
                return await future
        except TimeoutError as error:
            if not limit.expired():  # `run` itself raised a TimeoutError
                raise
            raise DeadlineExceeded(f"No answer within {timeout:g} seconds.") from error
        finally:
            self._queue.discard(waiting)

    async def close(self) -> None:
        """Finish what was submitted, refuse what comes, then stop."""
        self._lanes.close()
        await asyncio.gather(*self._workers)
        await self._work(0, self._run_here)  # what lanes that closed meanwhile had
        self._queue.give_up_suspects()

    async def _work(
        self, number: int, run: _Run[Item, Result], ended: asyncio.Future[None] | None = None
    ) -> bool:
        """Take batches until the batcher is closed; or the lane, which is true then."""
        while batch := await self._lanes.next_batch(number, ended):
            try:
                await self._answer(run, batch)
            except LaneClosed:
                self._queue.hand_back(batch)
                break
        self._lanes.remove(number)
        return not self._lanes.closed

    async def _answer(self, run: _Run[Item, Result], batch: list[Waiting[Item, Result]]) -> None:
        """Run one batch; when it fails, each of its items alone."""
        batch = wanted(batch)
        if not batch:
            return
        started = time.perf_counter()
        self._on_batch(len(batch))
        try:
            batch, results = await run(batch)
            if len(results) != len(batch):
                raise RuntimeError(f"{len(batch)} items gave {len(results)} results")
        except LaneClosed as closed:
            for waiting in batch:
                waiting.closed += closed.begun
            raise
        except Exception as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            _log.warning("a batch of %d failed, trying its items alone: %r", len(batch), error)
            for waiting in batch:
                await self._answer(run, [waiting])
            return
        ended = time.perf_counter()
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                waiting.fail(result)
            elif not waiting.future.done():
                queued = started - waiting.since
                waiting.future.set_result(Answered(result, queued, ended - started, len(batch)))

    async def _run_here(self, batch: list[Waiting[Item, Result]]) -> _Ran[Item, Result]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._call, batch)

    def _call(self, batch: list[Waiting[Item, Result]]) -> _Ran[Item, Result]:
        """In a thread: what is still wanted of `batch`, and its results."""
        batch = wanted(batch)  # the thread may have been waited for
        return batch, self._run([waiting.item for waiting in batch]) if batch else []


_Ran = tuple[list[Waiting[Item, Result]], Sequence[Result | Exception]]
"""What was still wanted of a batch, and its results."""

_Run = Callable[[list[Waiting[Item, Result]]], Awaitable[_Ran[Item, Result]]]
