"""The other processes that answer batches: started, watched, and started anew when they end."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import subprocess
import sys
import time
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
        size: int,
        job: Job,
        serve: Callable[[Lane, bool], Awaitable[bool]],
        batch_seconds: float,
        metrics: Metrics,
    ) -> None:
        """Begin to start them.

        Args:
            size: how many workers.
            job: what each runs.
            serve: `app.batching.Batcher.serve`.
            batch_seconds: how long a batch may take before its worker is given up.
            metrics: where it is told how many of them answer, and what they use.
        """
        self._job, self._serve, self._batch_seconds = job, serve, batch_seconds
        self._metrics = metrics
        self._ending: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._members = [loop.create_task(self._keep()) for _ in range(size)]

    async def close(self) -> None:
        """End them; the batcher has to be closed before."""
        for member in self._members:
            member.cancel()
        await asyncio.gather(*self._members, return_exceptions=True)
        await asyncio.gather(*self._ending)

    async def _keep(self) -> None:
        """One worker after another, until the batcher is closed."""
        pause = PAUSE_SECONDS
        while True:
            started = time.monotonic()
            reason = await self._employ()
            if reason is None:
                return
            if time.monotonic() - started > MAX_PAUSE_SECONDS:
                pause = PAUSE_SECONDS
            _log.warning("a worker process ended: %s; the next starts in %.0f s", reason, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _employ(self) -> str | None:
        """Let a worker answer; why it ended, None where the batcher was closed."""
        try:
            worker = await Worker.start(self._job, self._batch_seconds, self._metrics)
        except OSError as error:
            return f"it could not be started: {error}"
        try:
            reason = await worker.ready()
            if reason is not None:
                return reason
            self._metrics.worker_processes.inc()
            try:
                lanes = (self._serve(worker.run, number > 0) for number in range(LANES))
                closed = await asyncio.gather(*lanes)
            finally:
                self._metrics.worker_processes.dec()
            return worker.reason if any(closed) else None
        finally:
            ending = asyncio.create_task(worker.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)  # that none is left, even where this is cancelled


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
        self._turn = asyncio.Lock()
        self._usage = Usage(0.0, 0)
        self.reason = ""
        """Why it has ended."""

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
        try:
            async with asyncio.timeout(START_SECONDS):
                reason: str | None = await self._receive()
        except TimeoutError:
            return f"it was not ready within {START_SECONDS:.0f} s"
        except (EOFError, ConnectionError):
            return await self._ended()
        return reason

    async def run(self, photos: list[Photo]) -> Sequence[Outcome]:
        """Its answers to a batch.

        Raises:
            LaneClosed: it has ended, or takes too long.
            Exception: what the engine raised.
        """
        begun = False
        try:
            async with asyncio.timeout(self._batch_seconds):
                # It may have ended while idle; uvloop's error would be taken for the engine's.
                if self._writer.is_closing() or self._reader.at_eof():
                    raise EOFError
                self._writer.write(packed(photos))
                async with self._turn:
                    if self.reason:  # what it would say now is for another batch
                        raise LaneClosed(begun)
                    begun = True
                    answer = await self._receive()
        except TimeoutError as error:
            self.reason = f"it took more than {self._batch_seconds:.0f} s for a batch"
            raise LaneClosed(begun) from error
        except (EOFError, ConnectionError) as error:
            self.reason = await self._ended()
            raise LaneClosed(begun) from error
        if isinstance(answer, Exception):
            raise answer
        outcomes: Sequence[Outcome] = answer
        return outcomes

    async def end(self) -> None:
        """Let it end, or kill it."""
        self._count(Usage(self._usage.cpu_seconds, 0))
        self._writer.close()
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _receive(self) -> Any:
        (length,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        message, usage = pickle.loads(await self._reader.readexactly(length))  # noqa: S301  # ours
        self._count(usage)
        return message

    def _count(self, usage: Usage) -> None:
        before, self._usage = self._usage, usage
        self._metrics.worker_cpu_seconds.inc(usage.cpu_seconds - before.cpu_seconds)
        self._metrics.worker_memory.inc(usage.memory_bytes - before.memory_bytes)

    async def _ended(self) -> str:
        try:
            status = await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        return f"signal {-status}" if status < 0 else f"exit status {status}"
