"""A release: what lies beside an artifact that is published, on S3 or in a folder."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.card import Version

MODEL_FILE = "model.pt"
ARCHIVE_FILE = "model.tar.gz"
MANIFEST_FILE = "manifest.json"
LATEST_FILE = "latest.json"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """`VERSION/manifest.json`: which bytes `model.pt` beside it has to have.

    Fields that a newer publisher adds are ignored.
    """

    model_config = ConfigDict(frozen=True)

    version: Version
    sha256: Sha256 = Field(description="Of model.pt, also where it lies inside model.tar.gz.")
    file: Literal["model.pt"] = "model.pt"
    bytes: int = Field(ge=1)
    created: datetime | None = None


class Latest(BaseModel):
    """`latest.json`: the version to serve, and its manifest, relative to this file."""

    model_config = ConfigDict(frozen=True)

    version: Version
    # VERSION/manifest.json and nothing else, so that it cannot point out of its own prefix.
    manifest: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}/manifest\.json$")
    published: datetime | None = None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
