"""Waiting for AWS, with a line that tells how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic, sleep

from training.errors import CloudError

POLL_SECONDS = 15.0
"""Between two looks; AWS takes minutes for what is waited for here."""


def wait_until_done(look: Callable[[], tuple[bool, str]], timeout: float, then: str) -> None:
    """Look again and again, and print what is seen, until it is done.

    On a terminal one line is kept up to date; elsewhere each change is a line.

    Args:
        look: whether it is done, and the line to show.
        timeout: seconds.
        then: what to do when the waiting ends before it is done, such as `run this again`.

    Raises:
        CloudError: the time is over, or the user pressed Ctrl-C. AWS goes on with it.
    """
    start, shown, terminal = monotonic(), "", sys.stdout.isatty()
    try:
        while True:
            done, line = look()
            elapsed = monotonic() - start
            if terminal:
                print(f"\r\033[K{_clock(elapsed)}  {line}", end="", flush=True)
            elif line != shown:
                print(f"{_clock(elapsed)}  {line}", flush=True)
            shown = line
            if done:
                return
            if elapsed > timeout:
                raise CloudError(f"not done after {_clock(elapsed)}; AWS goes on with it. {then}")
            sleep(POLL_SECONDS)
    except KeyboardInterrupt as interrupt:
        raise CloudError(f"no longer waiting; AWS goes on with it. {then}") from interrupt
    finally:
        if terminal:
            print()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
