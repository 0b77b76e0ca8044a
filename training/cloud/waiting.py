"""Waiting for AWS, with a line that tells how far it is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from time import monotonic, sleep

from training.cloud.asking import ask
from training.errors import CloudError

POLL_SECONDS = 15.0
"""Between two looks; AWS takes minutes for what is waited for here."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, with the job going on."""


def watch(
    name: str, again: str, kept: str, stop: Callable[[], object], wait: Callable[[], int]
) -> int:
    """Wait for a job that runs on AWS; Ctrl-C asks whether to stop it, a second one leaves.

    Args:
        name: of the job, for the question.
        again: the command that goes on watching.
        kept: a sentence on what is left of it when it is stopped.
        stop: stops it.
        wait: returns when it has ended, with the exit status.

    Raises:
        CloudError: `stop` or `wait` failed; the job goes on.
    """
    try:
        return wait()
    except CloudError as error:
        raise CloudError(f"{error}. It goes on; to watch it again: {again}") from error
    except KeyboardInterrupt:
        print()
        question = f"Stop {name}? While it runs it costs money. {kept}"
        if sys.stdin.isatty() and ask(question):
            stop()
            print(f"Stopping {name}. (Ctrl-C leaves.)")
            with contextlib.suppress(KeyboardInterrupt):
                return wait()
            return INTERRUPTED
        print(f"{name} goes on and costs money; to watch it again: {again}")
        return INTERRUPTED


def wait_until_done(look: Callable[[], tuple[bool, str]], timeout: float, then: str | None) -> None:
    """Look again and again, and print what is seen, until it is done.

    On a terminal one line is kept up to date; elsewhere each change is a line.

    Args:
        look: whether it is done, and the line to show.
        timeout: seconds.
        then: what to do when the waiting ends before it is done, such as `run this again`; None
            for what `watch` waits for, which says that itself and takes Ctrl-C.

    Raises:
        CloudError: the time is over, or the user pressed Ctrl-C. AWS goes on with it.
    """
    goes_on = f"; AWS goes on with it. {then}" if then else ""
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
                raise CloudError(f"not done after {_clock(elapsed)}{goes_on}")
            sleep(POLL_SECONDS)
    except KeyboardInterrupt as interrupt:
        if then is None:
            raise
        raise CloudError(f"no longer waiting{goes_on}") from interrupt
    finally:
        if terminal:
            print()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
