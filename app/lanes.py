"""Which lane is to take what waits: those that are at work, or an idle one, which is woken."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Generic

from app.waiting import Item, Queue, Result, Waiting

GATHER_SECONDS = 0.006
GATHER_ITEMS = 2
"""How long items are left to the lanes that are at work while others are idle, and up to how many:
each of two takes a quarter less of the processor than one alone, and more would be waited for."""


class LaneClosed(Exception):
    """A lane runs nothing any more."""

    def __init__(self, begun: bool) -> None:
        """`begun`: whether it may have begun with what it was given, which may thus be why."""
        super().__init__(begun)
        self.begun = begun


class Lanes(Generic[Item, Result]):
    """The lanes of a batcher, by number, of which the first are this process's own.

    While there is one that is not spare, all others leave the items to it until GATHER_ITEMS of
    them wait; after GATHER_SECONDS this process takes them.
    """

    def __init__(self, queue: Queue[Item, Result], here: int, max_batch: int) -> None:
        """Of a queue, with `here` lanes in this process and batches of `max_batch` at most."""
        self._queue, self._max_batch = queue, max_batch
        self._here = range(here)
        self._enough = min(GATHER_ITEMS, max_batch)
        self._numbers = itertools.count()
        self._eager: set[int] = set()
        self._idle: dict[int, asyncio.Future[None]] = {}
        self._waking = 0  # lanes that were idle and have not taken their share yet
        self._gathering: asyncio.TimerHandle | None = None
        self.closed = False

    def add(self, spare: bool) -> int:
        """The number of one more lane; a spare one costs more than another, or comes after it."""
        number = next(self._numbers)
        if not spare:
            self._eager.add(number)
        return number

    def remove(self, number: int) -> None:
        """Leave to the others what waits."""
        self._eager.discard(number)
        for _ in range(len(self._queue)):
            self.wake()

    def close(self) -> None:
        """Let all take what is there, until nothing is."""
        self.closed = True
        while self._idle:
            self.wake()
        if self._gathering is not None:
            self._gathering.cancel()

    def wake(self, here: bool = False) -> None:
        """Let an idle lane look at the queue, if there is one for what waits; here if possible."""
        if not self._idle:
            return
        number = min(self._idle)
        if not (here and number in self._here):
            # This process has other work too, so its own lanes are the last.
            number = max(self._idle, key=lambda idle: (idle in self._eager, idle))
            if not self._is_for(number):
                self._gather()
                return
        self.rouse(number)

    def rouse(self, number: int) -> None:
        """Let a lane look at the queue, if it is idle."""
        if number in self._idle:
            self._waking += 1
            self._idle.pop(number).set_result(None)

    async def next_batch(
        self, number: int, ended: asyncio.Future[None] | None = None
    ) -> list[Waiting[Item, Result]]:
        """Wait for what a lane is to run; nothing once the batcher is closed, or the lane `ended`.

        Whoever sets `ended` has to rouse the lane.
        """
        woken = False
        while self._queue.usual or self._may_try(number) or not self.closed:
            if ended is not None and ended.done():
                break
            if self._may_try(number):
                return self._queue.take_suspect()
            if self._queue.usual and (woken or self._is_for(number)):
                # Others that are woken take their share.
                share = math.ceil(len(self._queue.usual) / (1 + self._waking))
                return self._queue.take(min(self._max_batch, share))
            if self._queue.usual:
                self._gather()
            self._idle[number] = asyncio.get_running_loop().create_future()
            await self._idle[number]
            self._waking -= 1
            woken = True
        return []

    def _may_try(self, number: int) -> bool:
        """Whether there is a suspect for a lane."""
        return bool(self._queue.suspects) and number not in self._here

    def _is_for(self, number: int) -> bool:
        """Whether a lane is to take what waits."""
        if number in self._eager or not self._eager or self.closed or self._may_try(number):
            return True
        return len(self._queue.usual) >= self._enough

    def _gather(self) -> None:
        """Leave what waits to the lanes that are at work, for a while."""
        if self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        if self._queue.usual:
            self.wake(here=True)
