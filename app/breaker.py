"""A circuit breaker: what keeps failing is left alone for a while, then tried once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CircuitOpen(Exception):
    """Nothing was called; `seconds` are left until it is tried again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"open for {seconds:.1f} seconds more")
        self.seconds = seconds


class CircuitBreaker:
    """Opens after some failures in a row. For one event loop; it has no lock.

    Source: Nygard, "Release It!", 2007.
    """

    def __init__(
        self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Open for `seconds` after `failures` in a row; `clock` gives seconds."""
        self._limit, self._seconds, self._clock = failures, seconds, clock
        self._failures = 0
        self._opened = -math.inf
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused at the moment."""
        return self._left() > 0

    @property
    def is_failing(self) -> bool:
        """Whether no call has succeeded since it opened; one is let through at times."""
        return self._failures >= self._limit

    @contextmanager
    def call(self, counts: Callable[[Exception], bool]) -> Iterator[None]:
        """Around a call; of what it raises, only what `counts` says is a failure.

        Raises:
            CircuitOpen: it is not to be called now.
        """
        left = self._left()
        half_open = self.is_failing
        if left > 0 or (half_open and self._trying):
            raise CircuitOpen(max(left, 1.0))
        self._trying = half_open
        try:
            yield
        except Exception as error:
            if counts(error):
                self._failures += 1
                if self.is_failing:
                    self._opened = self._clock()
            raise
        else:
            self._failures, self._opened = 0, -math.inf
        finally:
            if half_open:
                self._trying = False

    def _left(self) -> float:
        return self._opened + self._seconds - self._clock()
