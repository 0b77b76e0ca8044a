"""The control groups that this process is in: what a container, a pod or a service unit may use.

A container mostly sees its own group as the root of them all; started in the host's namespace, or
as a service of systemd, it is one further down, and the limits of those above hold as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def groups(controller: str, root: Path = ROOT, own: Path = OWN) -> Iterator[Path]:
    """The folders of the groups of `controller` (cpu, memory): the own one, then up to the top.

    Of versions 1 and 2, of which a machine may have both; some of the folders may not exist.
    Source: `man 7 cgroups`.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from _upwards(root, path)
        elif controller in controllers.split(","):
            yield from _upwards(root / controller, path)
    yield root
    yield root / controller


def _upwards(top: Path, path: str) -> Iterator[Path]:
    group = top / path.strip("/")
    while group != top:
        yield group
        group = group.parent
