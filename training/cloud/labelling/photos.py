"""The photos below a prefix on S3, and where Batch Transform puts the answers to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from training.cloud.buckets import Location
from training.cloud.calls import Calls

MAX_BYTES = 10 * 1024**2
"""Of a photo: what the service takes (GARMENT_MAX_BODY_BYTES)."""


@dataclass(frozen=True)
class Photo:
    """An object on S3; `name` is its key below the prefix."""

    key: str
    name: str
    tag: str
    size: int

    @property
    def refusal(self) -> str | None:
        """The service's error for it, by its size alone, so that it need not be sent."""
        if not self.size:
            return "empty_body"
        return "body_too_large" if self.size > MAX_BYTES else None


def photos_below(calls: Calls, where: Location, out: Location) -> Iterator[Photo]:
    """All objects below `where`, but for folders and what lies below `out`."""
    prefix, own = where.prefix, out.prefix if where.bucket == out.bucket else None
    for found in _objects(calls, where):
        key = found["Key"]
        # The console makes folders as objects whose names end so.
        if not key.endswith("/") and not (own and key.startswith(own)):
            yield Photo(key, key[len(prefix) :], found["ETag"].strip('"'), found["Size"])


def answers_below(calls: Calls, out: Location, since: datetime) -> set[str]:
    """The names below `out` of the answers from `since` on."""
    # S3 tells whole seconds.
    first = since - timedelta(seconds=2)
    return {
        found["Key"][len(out.prefix) :]
        for found in _objects(calls, out)
        if found["Key"].endswith(".out") and found["LastModified"] >= first
    }


def answer_to(photo: Photo, where: Location, answers: set[str] | Mapping[str, Any]) -> str | None:
    """Which of the answers is the one to the photo; None where there is none.

    AWS's description puts the last folder of the prefix before the name, its containers do not.
    """
    folder = where.key.rpartition("/")[2]
    for name in (photo.name, f"{folder}/{photo.name}", photo.key):
        if f"{name}.out" in answers:
            return f"{name}.out"
    return None


def _objects(calls: Calls, where: Location) -> Iterator[Any]:
    request = {"Bucket": where.bucket, "Prefix": where.prefix}
    for page in calls.pages("s3", "ListObjectsV2", request, f"listing {where}"):
        yield from page.get("Contents", [])
