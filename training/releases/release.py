"""The files of a release, and the SHA-256 that each of them stands for."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.artifact import Artifact
from app.release import MODEL_FILE, Manifest
from training.releases.destinations import Readable
from training.releases.packed import model_in

REPORT_FILE = "report.html"
"""The page that `evaluate` wrote of the artifact."""

_CHUNK = 1024**2


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a version: what it is made from, and how to tell that it is there.

    `digest` gives the SHA-256 that a stored file stands for; `sha256` is what it has to be.
    """

    name: str
    source: Path
    digest: Callable[[Readable], str]
    sha256: str


def manifest_of(artifact: Artifact) -> Manifest:
    """The artifact's manifest: always the same for the same artifact."""
    return Manifest(
        version=artifact.card.version,
        sha256=artifact.sha256,
        bytes=artifact.path.stat().st_size,
        created=artifact.card.created,
    )


def write_archive(model: Path, archive: Path) -> None:
    """Write model.tar.gz as SageMaker stores it; no time or owner in it, so it can be repeated."""
    member = tarfile.TarInfo(MODEL_FILE)
    member.size, member.mode = model.stat().st_size, 0o644
    with (
        archive.open("wb") as raw,
        # Trained weights hardly compress: the least effort gives the same size.
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
        model.open("rb") as content,
    ):
        tar.addfile(member, content)


def sha256_of_stream(stream: Readable) -> str:
    """The SHA-256 of a whole file."""
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_in_archive(stream: Readable) -> str:
    """The SHA-256 of the model.pt in a model.tar.gz; "unreadable" where there is none."""
    try:
        with model_in(stream) as content:
            return "unreadable" if content is None else sha256_of_stream(content)
    except (tarfile.TarError, EOFError):
        return "unreadable"


def sha256_in_manifest(stream: Readable) -> str:
    """The SHA-256 that a manifest.json names; "unreadable" where it names none."""
    try:
        return Manifest.model_validate_json(stream.read()).sha256
    except ValidationError:
        return "unreadable"
