"""The answers of a labelling: read from S3, merged into one file, and counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.card import CATEGORIES
from training.aws import plain_errors
from training.cloud.buckets import Location
from training.cloud.calls import Calls
from training.cloud.labelling.photos import Photo, answer_to
from training.whole_files import written_whole

_AT_ONCE = 10
_PORTION = 1000
"""Photos whose answers are in memory at the same time."""


@dataclass
class Counts:
    """How many photos got which label, how many of these need review, and what went wrong."""

    labels: Counter[str] = field(default_factory=Counter)
    review: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        """Count one photo's row."""
        if "label" not in row:
            self.errors[str(row.get("code", "no_answer"))] += 1
            return
        self.labels[row["label"]] += 1
        self.review[row["label"]] += bool(row["needs_review"])

    def table(self) -> str:
        """Labels, the most frequent first, as a table; then the errors."""
        order = sorted(self.labels, key=lambda label: (-self.labels[label], label))
        width = max(map(len, [*CATEGORIES, "label"]))
        rows = [("label", "photos", "to review")]
        rows += [(label, str(self.labels[label]), str(self.review[label])) for label in order]
        rows.append(("all", str(self.labels.total()), str(self.review.total())))
        lines = [f"{label:<{width}}  {photos:>9}  {review:>9}" for label, photos, review in rows]
        lines += [f"without a label: {many} ({code})" for code, many in sorted(self.errors.items())]
        return "\n".join(lines)


def merge(
    calls: Calls,
    photos: Sequence[Photo],
    answers: set[str],
    where: Location,
    out: Location,
    path: Path,
) -> Counts:
    """Write one line of JSON per photo to `path`: its name as `file`, and the answer to it.

    A photo without a label has the error's `code` and `detail` instead: the service's own, or
    `empty_body` or `body_too_large` for one that was not sent, or `no_answer`.

    Raises:
        CloudError: an answer cannot be read.
    """
    counts = Counts()
    with ThreadPoolExecutor(_AT_ONCE) as pool, written_whole(path) as file:
        for part in _portions(photos):
            names = [answer_to(photo, where, answers) for photo in part]
            for photo, answer in zip(
                part,
                pool.map(lambda pair: _answer(calls, out, *pair), zip(part, names, strict=True)),
                strict=True,
            ):
                row = {"file": photo.name, **answer}
                counts.add(row)
                file.write(json.dumps(row).encode() + b"\n")
    return counts


def _answer(calls: Calls, out: Location, photo: Photo, name: str | None) -> dict[str, Any]:
    if photo.refusal is not None:
        return _error(photo.refusal, f"A file of {photo.size:,} bytes was not sent.")
    if name is None:
        return _error("no_answer", "The job ended without an answer to this photo.")
    key = "/".join(filter(None, [out.key, name]))
    with plain_errors(f"reading s3://{out.bucket}/{key}"):
        body = calls.client("s3").get_object(Bucket=out.bucket, Key=key)["Body"].read()
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return _error("no_answer", f"The job's answer is no JSON: {body[:100]!r}")
    return answer


def _error(code: str, detail: str) -> dict[str, Any]:
    return {"code": code, "detail": detail}


def _portions(photos: Sequence[Photo]) -> Iterator[Sequence[Photo]]:
    for start in range(0, len(photos), _PORTION):
        yield photos[start : start + _PORTION]
