"""Where artifacts come from: a path, a folder or S3, with a verified cache on disk."""

from app.store.cache import hold
from app.store.errors import (
    ChecksumError,
    DeniedError,
    MissingError,
    StoreError,
    UnreachableError,
)
from app.store.fetch import fetch
from app.store.watch import Watch

__all__ = [
    "ChecksumError",
    "DeniedError",
    "MissingError",
    "StoreError",
    "UnreachableError",
    "Watch",
    "fetch",
    "hold",
]
