"""Start the service: `python -m app`."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # The first process of a container gets no signal that it has no handler for, and `docker stop`
    # would wait in vain. One that comes meanwhile is kept, through the second start too.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    from app.allocator import start_with_tunables

    start_with_tunables()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing was accepted yet
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    from app.process import main  # most of the time that a start takes

    code = main()
    sys.stdout.flush()
    # A download that was interrupted may still hold a thread; nobody waits for it.
    os._exit(code)
