"""What waits for a lane, in order; and apart from it, what was in work when a lane closed.

Such an item may be why, as a photo may end the process that decodes it: it is tried once more,
alone and by another lane, but never by this process, whose end would be the service's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import InternalError

MAX_CLOSED = 2
"""Lanes that may close over one item."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answered(Generic[Result]):
    """A result, and what it took."""

    result: Result
    queue_seconds: float
    run_seconds: float
    batch_size: int


@dataclass(slots=True, eq=False)
class Waiting(Generic[Item, Result]):
    """An item, and where its result goes."""

    item: Item
    future: asyncio.Future[Answered[Result]]
    since: float
    closed: int = 0
    """Lanes that closed while they had it in work."""

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
        self.usual: deque[Waiting[Item, Result]] = deque()
        self.suspects: deque[Waiting[Item, Result]] = deque()

    def __len__(self) -> int:
        return len(self.usual) + len(self.suspects)

    def add(self, waiting: Waiting[Item, Result]) -> None:
        """Behind all others."""
        self.usual.append(waiting)

    def discard(self, waiting: Waiting[Item, Result]) -> None:
        """Take it out, if it is there."""
        for queue in (self.usual, self.suspects):
            if waiting in queue:
                queue.remove(waiting)

    def take(self, most: int) -> list[Waiting[Item, Result]]:
        """The next batch, of so many at most, without suspects."""
        return [self.usual.popleft() for _ in range(min(most, len(self.usual)))]

    def take_suspect(self) -> list[Waiting[Item, Result]]:
        """A batch of one suspect."""
        return [self.suspects.popleft()]

    def hand_back(self, batch: list[Waiting[Item, Result]]) -> None:
        """Let others take a batch whose lane has closed, before all else."""
        for waiting in reversed(wanted(batch)):
            if not waiting.closed:
                self.usual.appendleft(waiting)
            elif waiting.closed < MAX_CLOSED:
                self.suspects.appendleft(waiting)
            else:
                _give_up(waiting)

    def give_up_suspects(self) -> None:
        """No lane comes any more that might try them."""
        while self.suspects:
            _give_up(self.suspects.popleft())


def _give_up(waiting: Waiting[Item, Result]) -> None:
    waiting.fail(InternalError("Each process that had this image in work has ended over it."))
