"""Install Python packages with this project's locked versions and PyTorch's small CPU build.

Takes pip's own arguments; runs with the Python that shall have the packages:

    .venv/bin/python docker/install.py --editable .
    TORCH_INDEX= .venv/bin/python docker/install.py --editable '.[dev]'

On Linux the package index's PyTorch is the CUDA build, some gigabytes, which a service on a CPU
has no use for; PyTorch's own index has the CPU build. TORCH_INDEX names another index, such as a
mirror; empty, PyTorch comes from where all else comes from (for training on a GPU). Where the index
cannot be reached, so does it too; with TORCH_CPU_ONLY=1, as in the images, that is an error.
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
PATIENT_SECONDS = 30.0


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


def torch_source(system: str, index: str, seconds: float = PROBE_SECONDS) -> tuple[list[str], str]:
    """Pip's arguments for where PyTorch comes from, and a line that says so."""
    if system != "Linux":
        return [], "PyTorch: the package index's build, which on this system is for the CPU"
    if not index:
        return [], "PyTorch: the package index's build (TORCH_INDEX is empty)"
    if is_reachable(index, seconds):
        return ["--extra-index-url", index], f"PyTorch: the CPU build of {index}"
    return [], (
        f"PyTorch: {index} cannot be reached, so pip takes what its other sources have; "
        "from PyPI that is the CUDA build, some gigabytes"
    )


def cuda_of_torch() -> str:
    """The version of CUDA that the installed PyTorch is built for; empty for the CPU's."""
    code = "import torch; print(torch.version.cuda or '')"
    # -B: an image has no more bytecode than it wants.
    said = subprocess.run([sys.executable, "-B", "-c", code], stdout=subprocess.PIPE, check=True)  # noqa: S603
    return said.stdout.decode().strip()


def main(pip_arguments: list[str]) -> int:
    """Run pip; returns its exit status."""
    index = os.environ.get("TORCH_INDEX", CPU_INDEX)
    cpu_only = bool(index and os.environ.get("TORCH_CPU_ONLY"))
    seconds = PATIENT_SECONDS if cpu_only else PROBE_SECONDS
    source, message = torch_source(platform.system(), index, seconds)
    if cpu_only and not source:
        return _refuse(f"{index} cannot be reached, and the CPU build of PyTorch is asked for")
    print(message, flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    arguments = ["--constraint", str(CONSTRAINTS), *source, *pip_arguments]
    status = subprocess.call([*pip, *arguments])  # noqa: S603
    if status == 0 and cpu_only and (cuda := cuda_of_torch()):
        return _refuse(
            f"this PyTorch is built for CUDA {cuda}, and {index} should have had another"
        )
    return status


def _refuse(reason: str) -> int:
    print(
        f"error: {reason}. Try again, or set TORCH_INDEX to another index; empty, it takes the "
        "build with CUDA, some gigabytes.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
