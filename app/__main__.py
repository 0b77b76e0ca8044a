"""Start the service: `python -m app`."""

from __future__ import annotations

import os
import sys

from app.allocator import start_with_tunables

if __name__ == "__main__":
    start_with_tunables()

    from app.process import main  # most of the time that a start takes

    code = main()
    sys.stdout.flush()
    # A download that was interrupted may still hold a thread; nobody waits for it.
    os._exit(code)
