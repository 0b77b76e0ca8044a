"""How much memory this process may use."""

from __future__ import annotations

import os
from pathlib import Path

from app import cgroup


def available_memory(root: Path = cgroup.ROOT, own: Path = cgroup.OWN) -> int:
    """Bytes of the machine, fewer where a control group (version 1 or 2) grants less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in cgroup.groups("memory", root, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                limits.append(int((group / name).read_text()))
            except (OSError, ValueError):  # not there, or "max": no limit
                continue
    return min(limits)
