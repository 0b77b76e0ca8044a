"""How glibc hands out memory to this process, which it has to be told before it starts."""

from __future__ import annotations

import os
import sys

MIB = 2**20

TUNABLES = ":".join(
    [
        # Each inference goes through all of the network's weights: in pages of 2 MiB they are found
        # sooner, which spares a twentieth of the time of a batch and more of a single photo's.
        "glibc.malloc.hugetlb=1",
        # A decoded photo of more is given back to the system when it is done. By itself glibc keeps
        # up to 32 MiB at a time, in pieces that fit no other: several hundred megabytes.
        f"glibc.malloc.mmap_threshold={4 * MIB}",
        # The memory of smaller ones is kept: to get it anew takes longer than to decode some.
        f"glibc.malloc.trim_threshold={32 * MIB}",
    ]
)
"""Source: https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html"""

_VARIABLE = "GLIBC_TUNABLES"


def start_with_tunables() -> None:
    """Start this program once more, as the same process, unless there are tunables already.

    To be called first: what was loaded before is loaded twice. Where there is no glibc nothing
    happens, or nobody reads the variable.
    """
    if sys.platform == "linux" and _VARIABLE not in os.environ:
        environment = os.environ | {_VARIABLE: TUNABLES}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606
