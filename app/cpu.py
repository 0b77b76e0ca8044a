"""How many processor cores this process may use, what they are made for, and who has them first."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from pathlib import Path

from app import cgroup

CPUINFO = Path("/proc/cpuinfo")


def available_cores(root: Path = cgroup.ROOT, own: Path = cgroup.OWN) -> int:
    """Cores by affinity, fewer where a control group (version 1 or 2) grants less time.

    Without the second, a container limited to 2 of 64 cores would start 64 threads and lose most
    of its time waiting.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [quota for group in cgroup.groups("cpu", root, own) if (quota := _quota(group))]
    return max(1, min([cores, *map(math.ceil, quotas)]))


def instructions(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Names of the processor's instruction sets, such as `avx512_bf16`; none where Linux is not."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def is_fast_at_bfloat16() -> bool:
    """Whether there are instructions for it; without them it is emulated, slower than float32."""
    return not instructions().isdisjoint({"amx_bf16", "avx512_bf16"})


def is_fast_at_int8() -> bool:
    """Whether there are instructions that add up products of 8 bits without overflow."""
    return not instructions().isdisjoint({"amx_int8", "avx512_vnni", "avx_vnni"})


def schedule_as_batch() -> None:
    """Let this thread, which computes, not interrupt those that only answer, such as HTTP's.

    It gets as much time as before. A tenth more photos are answered so, the slowest a tenth
    earlier. Linux alone knows of it.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _quota(group: Path) -> float | None:
    try:
        limit, period = (group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        cores = int(limit) / int(period)
    except ValueError:  # "max": no limit
        return None
    return cores if cores > 0 else None
