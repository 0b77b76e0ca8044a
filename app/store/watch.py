"""Whether a reference names another artifact than before, without reading either."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from app.release import MANIFEST_FILE
from app.store.errors import StoreError
from app.store.fetch import locate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Watch:
    """Looks at what a reference names: by one HEAD on S3, by the file's times and sizes on disk.

    To be used by one thread at a time.
    """

    def __init__(self, reference: str, client: S3Client | None = None) -> None:
        """Watch `reference`, one that `fetch` takes; `client` as there."""
        self.reference = reference
        self._given = client
        self._client: S3Client | None = None
        self._open = contextlib.ExitStack()

    def look(self) -> str:
        """A text that is another one as soon as another artifact is there; it says nothing else.

        Raises:
            StoreError: it cannot be told; the message says why and what to do.
        """
        if not self.reference.startswith("s3://"):
            return _look_on_disk(self.reference)
        from app.store import s3  # boto3 takes half a second to import, and a path needs none of it

        location = s3.parse(self.reference)
        try:
            if self._client is None:
                self._client = self._open.enter_context(s3.connected(self._given))
            return s3.tag_of(self._client, location)
        except StoreError:
            self.close()  # the next look has a new client, with credentials that are read anew
            raise

    def close(self) -> None:
        """Close the connections; the next look opens them again."""
        self._client = None
        self._open.close()


def _look_on_disk(reference: str) -> str:
    try:
        path = locate(Path(reference).expanduser())
        # Through links: one that is turned to another folder leads to another inode.
        seen = [path.stat()]
        with contextlib.suppress(FileNotFoundError):
            seen.append(path.with_name(MANIFEST_FILE).stat())
    except OSError as error:
        raise StoreError(f"{reference}: cannot be read: {error}") from error
    return " ".join(f"{one.st_mtime_ns} {one.st_size} {one.st_ino}" for one in seen)
