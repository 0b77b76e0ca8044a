"""How much memory this process may use."""

from __future__ import annotations

import os
from pathlib import Path

from app.cpu import CGROUP


def available_memory(cgroup: Path = CGROUP) -> int:
    """Bytes of the machine, fewer where a container's cgroup (version 1 or 2) grants less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return min(memory, int((cgroup / name).read_text()))
        except (OSError, ValueError):  # not there, or "max": no limit
            continue
    return memory
