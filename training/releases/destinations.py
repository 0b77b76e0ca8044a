"""Where a release is published to: a folder here, S3 in `s3.py`.

A destination writes conditionally: a file of a version is created and never replaced, and
`latest.json` is replaced only by who has seen what it says.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from training.errors import ChangedError, ExistsError, PublishError


class Readable(Protocol):
    """A stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class Destination(Protocol):
    """A prefix of S3, or a folder. Names are relative to it, such as `1.2.0/model.pt`."""

    def open(self, name: str) -> contextlib.AbstractContextManager[Readable | None]:
        """The file's content; None where there is no such file."""

    def read(self, name: str) -> tuple[bytes, str] | None:
        """A small file's content and its tag, which changes whenever the content does."""

    def create(self, name: str, source: BinaryIO, size: int, sha256: str) -> None:
        """Write a new file, whole or not at all.

        Raises:
            ExistsError: there is one.
        """

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a small file in place of the one with this tag, or of none.

        Raises:
            ChangedError: it is not the one with this tag any more.
        """


class FolderDestination:
    """A folder, such as one on a shared disk or the one that SageMaker uploads."""

    def __init__(self, folder: Path) -> None:
        """Publish into `folder`, which is created when it is first written to."""
        self.folder = folder

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable | None]:
        """The file's content; None where there is no such file."""
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context((self.folder / name).open("rb"))
            except FileNotFoundError:
                yield None
            else:
                yield file

    def read(self, name: str) -> tuple[bytes, str] | None:
        """The file's content, and its SHA-256 as the tag."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        return content, hashlib.sha256(content).hexdigest()

    def create(self, name: str, source: BinaryIO, size: int, sha256: str) -> None:
        """Write beside the name and link it there: a link is never made over another file."""
        del size, sha256  # S3 checks them on arrival; here the file is read back
        path = self.folder / name
        with self._written_beside(path, source) as partial:
            try:
                os.link(partial, path)
            except FileExistsError as error:
                raise ExistsError(f"{path} exists") from error

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Compare and rename under a lock file, because a folder has no conditional rename."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock")
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError as error:
            raise PublishError(
                f"{lock} exists: another publish is writing {path.name}. Run this again when it "
                "is done; if none is running, one was killed, so delete that file first."
            ) from error
        try:
            found = self.read(name)
            if (found[1] if found else None) != tag:
                raise ChangedError(f"{path} was changed meanwhile")
            with self._written_beside(path, content) as partial:
                partial.replace(path)
        finally:
            lock.unlink()

    @contextlib.contextmanager
    def _written_beside(self, path: Path, source: BinaryIO | bytes) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".partial-", delete=False) as new:
            partial = Path(new.name)
            try:
                if isinstance(source, bytes):
                    new.write(source)
                else:
                    shutil.copyfileobj(source, new, 1024**2)
                new.close()
                # A temporary file is readable by its owner only; the service is someone else.
                partial.chmod(0o644)
                yield partial
            finally:
                partial.unlink(missing_ok=True)

    def __str__(self) -> str:
        return str(self.folder)
