"""The other processes that answer batches: started, watched, and started anew when they end."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from app.lanes import LaneClosed
from app.predictors.judging import Outcome, Photo
from app.predictors.messages import HEADER, Job, Usage, packed
from app.telemetry import Metrics

START_SECONDS = 120.0
"""How long a worker may take until it is ready."""

PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0
"""Until one that ended is started anew: at first, and after ever more of them."""

END_SECONDS = 5.0
"""How long a worker may take to end before it is killed."""

LANES = 2
"""Batches that a worker is given at a time: it has the next one at hand when one is done."""

BUFFER_BYTES = 2**20
"""Of an answer, before it is read."""

ROOT = Path(__file__).parents[2]

_log = logging.getLogger(__name__)

Lane = Callable[[list[Photo]], Awaitable[Sequence[Outcome]]]


class Crew:
    """Workers that run batches beside this process, which does without those that fail."""

    def __init__(
        self,
        jobs: Sequence[Job],
        serve: Callable[[Lane, bool, asyncio.Future[None]], Awaitable[bool]],
        batch_seconds: float,
        metrics: Metrics,
    ) -> None:
        """Begin to start them.

        Args:
            jobs: what each of them runs.
            serve: `app.batching.Batcher.serve`.
            batch_seconds: how long a batch may take before its worker is given up.
            metrics: where it is told how many of them answer, and what they use.
        """
        self._serve, self._batch_seconds = serve, batch_seconds
        self._metrics = metrics
        self._ending: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._members = [loop.create_task(self._keep(job)) for job in jobs]

    async def close(self) -> None:
        """End them; the batcher has to be closed before."""
        for member in self._members:
            member.cancel()
        await asyncio.gather(*self._members, return_exceptions=True)
        await asyncio.gather(*self._ending)

    async def _keep(self, job: Job) -> None:
        """One worker after another, until the batcher is closed."""
        pause = PAUSE_SECONDS
        while True:
            started = time.monotonic()
            try:
                reason = await self._employ(job)
            except Exception as error:  # such as that no process or thread is left
                reason = f"it could not be started, or ended: {error}"
            if reason is None:
                return
            if time.monotonic() - started > MAX_PAUSE_SECONDS:
                pause = PAUSE_SECONDS
            _log.warning("a worker process ended: %s; the next starts in %.0f s", reason, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _employ(self, job: Job) -> str | None:
        """Let a worker answer; why it ended, None where the batcher was closed."""
        # Not to be cancelled half-way: the new process is handed a socket by its number.
        starting = asyncio.create_task(Worker.start(job, self._batch_seconds, self._metrics))
        try:
            worker = await asyncio.shield(starting)
            reason = await worker.ready()
            if reason is not None:
                return reason
            self._metrics.worker_processes.inc()
            try:
                lanes = (
                    self._serve(worker.run, number > 0, worker.ended) for number in range(LANES)
                )
                closed = await asyncio.gather(*lanes)
            finally:
                self._metrics.worker_processes.dec()
            return await worker.reason() if any(closed) else None
        finally:
            ending = asyncio.create_task(_end(starting))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)  # that none is left, even where this is cancelled


async def _end(starting: asyncio.Task[Worker]) -> None:
    """End a worker as soon as it is there, if it ever is."""
    await asyncio.wait([starting])
    if starting.exception() is None:
        await starting.result().end()


class Worker:
    """One process."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        batch_seconds: float,
        metrics: Metrics,
    ) -> None:
        """Use `start` instead."""
        self._process, self._reader, self._writer = process, reader, writer
        self._batch_seconds = batch_seconds
        self._metrics = metrics
        self._usage = Usage(0.0, 0)
        self._awaited: deque[asyncio.Future[bytes]] = deque()
        self._listening: asyncio.Task[None] | None = None
        self._late = ""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done as soon as it answers nothing any more."""

    @classmethod
    async def start(cls, job: Job, batch_seconds: float, metrics: Metrics) -> Worker:
        """Start a process and tell it its job."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "app.predictors.worker", str(theirs.fileno())]
            process = await asyncio.to_thread(
                subprocess.Popen,
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a terminal's Ctrl-C is for the one who ends it in time
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=BUFFER_BYTES)
        writer.write(packed(job))
        return cls(process, reader, writer, batch_seconds, metrics)

    async def ready(self) -> str | None:
        """Wait until it can run batches; why it cannot, if so."""
        first = self._next()
        self._listening = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(START_SECONDS):
                reason: str | None = self._opened(await first)
        except TimeoutError:
            return f"it was not ready within {START_SECONDS:.0f} s"
        except LaneClosed:
            return await self.reason()
        return reason

    async def run(self, photos: list[Photo]) -> Sequence[Outcome]:
        """Its answers to a batch.

        Raises:
            LaneClosed: it has ended, or takes too long.
            Exception: what the engine raised.
        """
        # It may just have ended; uvloop's error would be taken for the engine's.
        if self.ended.done() or self._writer.is_closing() or self._reader.at_eof():
            raise LaneClosed(begun=False)
        self._writer.write(packed(photos))
        try:
            async with asyncio.timeout(self._batch_seconds):
                answer = self._opened(await self._next())
        except TimeoutError as error:
            self._late = f"it took more than {self._batch_seconds:.0f} s for a batch"
            self._close()
            raise LaneClosed(begun=True) from error
        if isinstance(answer, Exception):
            raise answer
        outcomes: Sequence[Outcome] = answer
        return outcomes

    async def reason(self) -> str:
        """Why it has ended."""
        if self._late:
            return self._late
        try:
            status = await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    async def end(self) -> None:
        """Let it end, or kill it."""
        self._count(Usage(self._usage.cpu_seconds, 0))
        self._writer.close()
        if self._listening is not None:
            self._listening.cancel()
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _next(self) -> asyncio.Future[bytes]:
        """Its next message that nobody awaits yet: it answers in order."""
        message: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited.append(message)
        return message

    async def _listen(self) -> None:
        """Hand out its messages until it ends, which is noticed also while it is idle."""
        try:
            while True:
                (length,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                message = await self._reader.readexactly(length)
                awaited = self._awaited.popleft()
                if not awaited.done():
                    awaited.set_result(message)
        except (EOFError, ConnectionError):
            pass
        finally:
            self._close()

    def _close(self) -> None:
        """Tell all who wait; it has begun with the first batch only."""
        if not self.ended.done():
            self.ended.set_result(None)
        for number, awaited in enumerate(self._awaited):
            if not awaited.done():
                awaited.set_exception(LaneClosed(begun=number == 0))

    def _opened(self, message: bytes) -> Any:
        content, usage = pickle.loads(message)  # noqa: S301  # ours
        self._count(usage)
        return content

    def _count(self, usage: Usage) -> None:
        before, self._usage = self._usage, usage
        self._metrics.worker_cpu_seconds.inc(usage.cpu_seconds - before.cpu_seconds)
        self._metrics.worker_memory.inc(usage.memory_bytes - before.memory_bytes)
