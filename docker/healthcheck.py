"""The images' HEALTHCHECK: whether the service in this container takes photos.

The slim base image has no curl, and a check without one more package has one less to patch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.request import urlopen

SECONDS = 4


def port() -> str:
    """The port of this container's role, which its first process's arguments tell."""
    default = "8000"
    if b"serve" in Path("/proc/1/cmdline").read_bytes().split(b"\0"):
        default = os.environ.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    return os.environ.get("GARMENT_PORT") or default


if __name__ == "__main__":
    try:
        with urlopen(f"http://127.0.0.1:{port()}/health/ready", timeout=SECONDS):
            pass
    except OSError as error:
        sys.exit(f"not ready: {error}")
