"""Artifacts on disk, each under its SHA-256, and which of them a reference stood for last.

    CACHE/SHA256/model.pt            the artifact
    CACHE/references/HASH.json       what an S3 reference was when it was last read

Files appear whole or not at all, so several processes may share the folder. The only lock keeps an
artifact there while a process answers with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.artifact import Artifact, ArtifactError, open_artifact
from app.release import MODEL_FILE, Sha256
from app.store.errors import StoreError, disk_error

logger = logging.getLogger(__name__)

_PARTIAL = ".partial-"
_ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished download is that of a process that was killed, and an artifact
that no reference names is not one that is being fetched."""

_SHA256 = "[0-9a-f]" * 64


class Known(BaseModel):
    """What an S3 reference stood for when S3 last answered."""

    reference: str
    sha256: Sha256
    tag: str
    """ETag, size and version id of the object: all that identifies it without a manifest."""
    confirmed: datetime

    @property
    def age(self) -> str:
        """How long ago S3 confirmed it, such as `3 days` or `0:12:05`."""
        return str(datetime.now(UTC) - self.confirmed).split(".")[0]


class ArtifactCache:
    """A folder of artifacts."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is created when something is first kept in it."""
        self.folder = folder

    def open(self, sha256: str) -> Artifact | None:
        """The artifact with this SHA-256, hashed again; None where it is missing or damaged."""
        path = self.folder / sha256 / MODEL_FILE
        if not path.is_file():
            return None
        try:
            return open_artifact(path, sha256)
        except ArtifactError as error:
            logger.warning("The cached copy is not used: %s", error)
            return None

    @contextlib.contextmanager
    def partial(self) -> Iterator[Path]:
        """A new file to write an artifact to; it is removed unless `keep` took it.

        What nothing names makes room for it.

        Raises:
            StoreError: the disk is full, or nothing may be written there.
        """
        self._remove_unnamed()
        with self._written() as path:
            yield path

    @contextlib.contextmanager
    def _written(self) -> Iterator[Path]:
        """A new file in the folder, which is removed unless it was moved."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=_PARTIAL, delete=False) as new:
                path = Path(new.name)
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, self.folder) from error

    def keep(self, partial: Path, sha256: str, source: str) -> Artifact:
        """Move a verified file to its place; a copy that another process put there is replaced.

        Errors name `source`, where it comes from: the partial file is gone by then.

        Raises:
            ArtifactError: the file is no artifact.
        """
        artifact = open_artifact(partial, sha256, source)
        path = self.folder / sha256 / MODEL_FILE
        path.parent.mkdir(exist_ok=True)
        # NamedTemporaryFile makes it readable by its owner only; an artifact is no secret.
        partial.chmod(0o644)
        partial.replace(path)
        return artifact.model_copy(update={"path": path})

    def remember(self, reference: str, sha256: str, tag: str) -> None:
        """Note what `reference` stands for now, and remove what none does, if it is old.

        A cache that cannot be written is only logged.
        """
        known = Known(reference=reference, sha256=sha256, tag=tag, confirmed=datetime.now(UTC))
        path = self._index(reference)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._written() as partial:
                partial.write_text(known.model_dump_json(indent=1), encoding="utf-8")
                partial.replace(path)
            self._remove_unnamed()
        except (StoreError, OSError) as error:  # the artifact is here; this is for a later start
            logger.warning("Not noted for when S3 cannot be reached: %s", error)

    def recall(self, reference: str) -> Known | None:
        """What `reference` stood for when S3 last answered, if that was ever noted."""
        return _read(self._index(reference))

    def _index(self, reference: str) -> Path:
        name = hashlib.sha256(reference.encode()).hexdigest()
        return self.folder / "references" / f"{name}.json"

    def _remove_unnamed(self) -> None:
        """Releases would fill the disk one by one; those that are held stay."""
        notes = [_read(file) for file in (self.folder / "references").glob("*.json")]
        named = {note.sha256 for note in notes if note is not None}
        for path in self.folder.glob(f"{_SHA256}/{MODEL_FILE}"):
            if path.parent.name in named:
                continue
            try:
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                    _remove(path)
            except (BlockingIOError, FileNotFoundError):
                pass  # another process holds it, or has just removed it
            except OSError as error:
                logger.warning("Not removed from the cache: %s", error)

    def _remove_abandoned(self) -> None:
        for path in self.folder.glob(f"{_PARTIAL}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                    path.unlink()


def hold(path: Path) -> contextlib.ExitStack:
    """Keep a file in the cache, for all processes that share it, until what is given is closed.

    Workers that are started later read it too.
    """
    held = contextlib.ExitStack()
    with contextlib.suppress(OSError):  # some file systems have no locks
        fcntl.flock(held.enter_context(path.open("rb")), fcntl.LOCK_SH)
    return held


def _remove(path: Path) -> None:
    """Remove an artifact.

    Raises:
        BlockingIOError: somebody holds it.
    """
    with path.open("r+b") as file:  # NFS locks only what may be written
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path.parent)
    logger.info("Removed from the cache, since nothing names it: %s", path.parent.name)


def _read(index: Path) -> Known | None:
    try:
        return Known.model_validate_json(index.read_bytes())
    except (OSError, ValidationError):
        return None
