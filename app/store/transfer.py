"""Copy a model from a stream to a file, bounded, hashing it on the way."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import IO, Protocol

from app.release import MODEL_FILE
from app.store.errors import StoreError

MAX_BYTES = 2 * 1024**3
"""No artifact is larger: VGG-16, the largest network, takes 0.5 GB as float32."""

_CHUNK = 1024**2


class Stream(Protocol):
    """Anything with `read`: a file, an S3 body."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def copy(stream: Stream | IO[bytes], target: Path, source: str) -> str:
    """Copy `stream` to `target` and give the SHA-256 of what was written.

    Raises:
        StoreError: it is larger than `MAX_BYTES`.
        OSError: `target` cannot be written.
    """
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise StoreError(f"{source}: larger than {MAX_BYTES:,} bytes, so it is no artifact")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def extract(stream: Stream | IO[bytes], target: Path, source: str) -> str:
    """Write the member `model.pt` of a model.tar.gz to `target` and give its SHA-256.

    No other member is written and no name in the archive becomes a path, so an archive cannot
    reach another file.

    Raises:
        StoreError: it is no tar.gz, holds no model.pt at its root, or is too large.
        OSError: `target` cannot be written.
    """
    size = 0
    try:
        # typeshed asks for IO[bytes]; the stream mode of tarfile calls read() and nothing else.
        with tarfile.open(fileobj=stream, mode="r|gz") as archive:  # type: ignore[call-overload]
            for member in archive:
                size += member.size
                if size > MAX_BYTES:
                    raise StoreError(f"{source}: its members are larger than {MAX_BYTES:,} bytes")
                if member.isreg() and member.name in (MODEL_FILE, f"./{MODEL_FILE}"):
                    file = archive.extractfile(member)
                    assert file is not None  # noqa: S101  # a regular file always has content
                    return copy(file, target, source)
    except (tarfile.TarError, EOFError) as error:
        raise StoreError(
            f"{source}: cannot be read as a tar.gz ({error}). Publish or copy it again."
        ) from error
    raise StoreError(
        f"{source}: holds no {MODEL_FILE} at its root. Make it with "
        "python -m training publish --tar."
    )
