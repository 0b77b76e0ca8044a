"""What waits for a lane, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answered(Generic[Result]):
    """A result, and what it took."""

    result: Result
    queue_seconds: float
    run_seconds: float
    batch_size: int


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[Item, Result]):
    """An item, and where its result goes."""

    item: Item
    future: asyncio.Future[Answered[Result]]
    since: float

    def fail(self, error: Exception) -> None:
        """Tell whoever still waits for it."""
        if not self.future.done():
            self.future.set_exception(error)


def wanted(batch: list[Waiting[Item, Result]]) -> list[Waiting[Item, Result]]:
    """Those that somebody still waits for."""
    return [waiting for waiting in batch if not waiting.future.done()]


class Queue(Generic[Item, Result]):
    """Items that no lane has taken."""

    def __init__(self) -> None:
        self._usual: deque[Waiting[Item, Result]] = deque()

    def __len__(self) -> int:
        return len(self._usual)

    def add(self, waiting: Waiting[Item, Result]) -> None:
        """Behind all others."""
        self._usual.append(waiting)

    def discard(self, waiting: Waiting[Item, Result]) -> None:
        """Take it out, if it is there."""
        if waiting in self._usual:
            self._usual.remove(waiting)

    def take(self, most: int) -> list[Waiting[Item, Result]]:
        """The next batch, of so many at most."""
        return [self._usual.popleft() for _ in range(min(most, len(self._usual)))]

    def hand_back(self, batch: list[Waiting[Item, Result]]) -> None:
        """Let others take a batch whose lane has closed, before all else."""
        self._usual.extendleft(reversed(wanted(batch)))
