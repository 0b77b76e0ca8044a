"""What a worker and the process that started it say to each other."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path

from app.engines import EngineName, EnginePrecision

HEADER = struct.Struct("!I")
"""Before each message: how many bytes it has."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker runs."""

    model: Path
    sha256: str
    engine: EngineName
    precision: EnginePrecision
    threads: int
    batch_size: int
    max_pixels: int
    log_format: str
    log_level: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a worker has used; sent with each message of its own."""

    cpu_seconds: float
    """Since its start."""
    memory_bytes: int
    """Resident; 0 where it cannot be told."""


def packed(message: object) -> bytes:
    """A message as it is sent; both sides are the same program, so pickles are understood."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body
