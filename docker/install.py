"""Install Python packages with this project's locked versions and PyTorch's small CPU build.

Takes pip's own arguments; runs with the Python that shall have the packages:

    .venv/bin/python docker/install.py --editable .
    TORCH_INDEX= .venv/bin/python docker/install.py --editable '.[dev]'

On Linux the package index's PyTorch is the CUDA build, some gigabytes, which a service on a CPU
has no use for; PyTorch's own index has the CPU build. TORCH_INDEX names another index, such as a
mirror; empty, PyTorch comes from where all else comes from (for training on a GPU).
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from http.client import HTTPException
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.request import urlopen

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3.0


def is_reachable(index: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether `index` answers for torch within `seconds`, name resolution included."""
    answers: Queue[bool] = Queue()

    def ask() -> None:
        try:
            with urlopen(f"{index.rstrip('/')}/torch/", timeout=seconds):  # noqa: S310
                answers.put(True)
        except (OSError, ValueError, HTTPException):
            answers.put(False)

    # A thread, since urlopen's timeout does not cover name resolution.
    Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except Empty:
        return False


def torch_source(system: str, index: str) -> tuple[list[str], str]:
    """Pip's arguments for where PyTorch comes from, and a line that says so."""
    if system != "Linux":
        return [], "PyTorch: the package index's build, which on this system is for the CPU"
    if not index:
        return [], "PyTorch: the package index's build (TORCH_INDEX is empty)"
    if is_reachable(index):
        return ["--extra-index-url", index], f"PyTorch: the CPU build of {index}"
    return [], (
        f"PyTorch: {index} cannot be reached, so pip takes what its other sources have; "
        "from PyPI that is the CUDA build, some gigabytes"
    )


def main(pip_arguments: list[str]) -> int:
    """Run pip; returns its exit status."""
    source, message = torch_source(platform.system(), os.environ.get("TORCH_INDEX", CPU_INDEX))
    print(message, flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    arguments = ["--constraint", str(CONSTRAINTS), *source, *pip_arguments]
    return subprocess.call([*pip, *arguments])  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
