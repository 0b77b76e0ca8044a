"""Each baseline's own virtual environment, made once and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INSTALL = ROOT / "docker" / "install.py"

# The versions are those of constraints.txt, the service's own: what differs is the server.
# "uvloop" and "httptools" are what `uvicorn[standard]` and `fastapi[standard]` bring.
_COMMON = ("torch==2.13.0", "numpy", "pillow", "fastapi", "uvicorn", "uvloop", "httptools")
PACKAGES = {
    "tutorial": (*_COMMON, "python-multipart"),
    "litserve": (*_COMMON, "python-multipart", "litserve==0.2.19"),
}


def default_folder() -> Path:
    """Where the environments are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "garment-classifier" / "bench"


def python_of(name: str, folder: Path) -> Path:
    """The Python of the environment `name` of `PACKAGES`, made in `folder` where there is none.

    It is made anew when the packages or constraints.txt change.

    Raises:
        CalledProcessError: the packages cannot be installed; pip has said why.
    """
    constraints = (ROOT / "constraints.txt").read_bytes()
    wanted = hashlib.sha256(repr((PACKAGES[name], sys.version, constraints)).encode()).hexdigest()
    place, stamp = folder / name, folder / f"{name}.installed"
    python = place / "bin" / "python"
    if not (stamp.is_file() and stamp.read_text() == wanted and python.exists()):
        print(f"Making {place} with {', '.join(PACKAGES[name])}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), str(INSTALL), "--quiet", *PACKAGES[name]], check=True)
        stamp.write_text(wanted)
    return python
