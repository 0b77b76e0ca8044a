"""From a reference to a verified artifact on disk."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from app.artifact import Artifact, open_artifact
from app.release import ARCHIVE_FILE, LATEST_FILE, MANIFEST_FILE, MODEL_FILE, Latest, Manifest
from app.store import transfer
from app.store.cache import ArtifactCache
from app.store.errors import (
    BrokenOffError,
    ChecksumError,
    DeniedError,
    MissingError,
    StoreError,
    UnreachableError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from app.store import s3

logger = logging.getLogger(__name__)

_DOWNLOADS = 3
"""How often a download that breaks off is begun."""

_Model = TypeVar("_Model", bound=BaseModel)


def fetch(
    reference: str, cache: Path, *, client: S3Client | None = None, stale: bool = True
) -> Artifact:
    """The artifact that `reference` names, verified.

    Args:
        reference: a model.pt, model.tar.gz or latest.json, as a path or as s3://BUCKET/KEY, or
            a folder that holds one of them, such as the one that SageMaker mounts.
        cache: folder for what was downloaded or unpacked, each under its SHA-256.
        client: S3; by default one made from the environment. A path never needs it.
        stale: whether a verified copy from before will do when S3 cannot be reached.

    Raises:
        StoreError: it cannot be had; the message says what to do.
        ArtifactError: it is there and is no artifact.
    """
    store = ArtifactCache(cache.expanduser())
    if reference.startswith("s3://"):
        return _from_s3(reference, store, client, stale)
    try:
        return _from_disk(Path(reference).expanduser(), store)
    except OSError as error:
        raise StoreError(f"{reference}: cannot be read: {error}") from error


def locate(path: Path) -> Path:
    """The file that a path names: itself, or the one in the folder.

    Raises:
        MissingError: there is none.
    """
    if path.is_dir():
        names = (MODEL_FILE, ARCHIVE_FILE, LATEST_FILE)
        found = next((path / name for name in names if (path / name).is_file()), None)
        if found is None:
            raise MissingError(f"{path}: this folder holds none of {', '.join(names)}.")
        path = found
    if not path.is_file():
        raise MissingError(
            f"{path}: no such file. Name a {MODEL_FILE}, {ARCHIVE_FILE} or {LATEST_FILE}, a folder "
            "that holds one, or s3://BUCKET/KEY."
        )
    return path


def _from_disk(path: Path, cache: ArtifactCache) -> Artifact:
    path = locate(path)
    if path.suffix == ".json":
        latest = _parsed(Latest, path.read_bytes(), str(path))
        path = (path.parent / latest.manifest).with_name(MODEL_FILE)
        if not path.with_name(MANIFEST_FILE).is_file():
            raise MissingError(f"{path.parent}: holds no {MANIFEST_FILE}. Publish it again.")
        return _from_disk(path, cache)
    beside = path.with_name(MANIFEST_FILE)
    manifest = None
    if path.name in (MODEL_FILE, ARCHIVE_FILE) and beside.is_file():
        manifest = _parsed(Manifest, beside.read_bytes(), str(beside))
    if path.name.endswith(".tar.gz"):
        with path.open("rb") as file, cache.partial() as partial:
            sha256 = transfer.extract(file, partial, str(path))
            _check(sha256, manifest, str(path))
            return cache.keep(partial, sha256, str(path))
    artifact = open_artifact(path)
    _check(artifact.sha256, manifest, str(path))
    return artifact


def _from_s3(
    reference: str, cache: ArtifactCache, client: S3Client | None, stale: bool
) -> Artifact:
    from app.store import s3  # boto3 takes half a second to import, and a path needs none of it

    try:
        with s3.connected(client) as client:
            location, manifest = _release(client, s3.parse(reference))
            for _ in range(_DOWNLOADS - 1):
                try:
                    return _download(client, reference, location, manifest, cache)
                except BrokenOffError as error:
                    logger.warning("%s; trying again", error)
            return _download(client, reference, location, manifest, cache)
    except UnreachableError as error:
        if not stale:
            raise
        known = cache.recall(reference)
        artifact = cache.open(known.sha256) if known else None
        if known is None or artifact is None:
            raise UnreachableError(f"{error}. There is no cached copy to serve instead.") from error
        logger.warning(
            "%s. Serving the cached copy of version %s (SHA-256 %s), which S3 confirmed %s ago.",
            error,
            artifact.card.version,
            artifact.sha256,
            known.age,
        )
        return artifact


def _release(client: S3Client, location: s3.Location) -> tuple[s3.Location, Manifest | None]:
    """Where the model lies, and what its manifest says where there is one."""
    from app.store import s3

    if location.name == LATEST_FILE:
        latest = _parsed(Latest, s3.read_small(client, location), str(location))
        beside = location.beside(latest.manifest)
        manifest = _parsed(Manifest, s3.read_small(client, beside), str(beside))
        return beside.beside(manifest.file), manifest
    if not location.name.endswith((".pt", ".tar.gz")):
        raise StoreError(
            f"{location}: names no artifact. Name a {MODEL_FILE}, {ARCHIVE_FILE} or {LATEST_FILE}."
        )
    if location.name not in (MODEL_FILE, ARCHIVE_FILE):
        return location, None
    beside = location.beside(MANIFEST_FILE)
    try:
        return location, _parsed(Manifest, s3.read_small(client, beside), str(beside))
    except MissingError:
        return location, None
    except DeniedError:
        # Without s3:ListBucket, S3 answers "denied" for an object that does not exist.
        logger.warning("%s: access denied, so the SHA-256 is not checked against it", beside)
        return location, None


def _download(
    client: S3Client,
    reference: str,
    location: s3.Location,
    manifest: Manifest | None,
    cache: ArtifactCache,
) -> Artifact:
    from app.store import s3

    if manifest is not None and (artifact := cache.open(manifest.sha256)) is not None:
        cache.remember(reference, artifact.sha256, tag="")
        return artifact
    with s3.opened(client, location) as remote:
        if manifest is None:
            logger.info("%s: no manifest beside it; known by its ETag, %s", location, remote.tag)
            known = cache.recall(reference)
            if known is not None and known.tag == remote.tag:
                artifact = cache.open(known.sha256)
                if artifact is not None:
                    cache.remember(reference, artifact.sha256, remote.tag)
                    return artifact
        copy = transfer.extract if location.name.endswith(".tar.gz") else transfer.copy
        with cache.partial() as partial:
            sha256 = copy(remote, partial, str(location))
            _check(sha256, manifest, str(location))
            artifact = cache.keep(partial, sha256, str(location))
        cache.remember(reference, artifact.sha256, remote.tag)
    logger.info("%s: fetched version %s, SHA-256 %s", location, artifact.card.version, sha256)
    return artifact


def _check(sha256: str, manifest: Manifest | None, source: str) -> None:
    if manifest is not None and sha256 != manifest.sha256:
        raise ChecksumError(
            f"{source}: its SHA-256 is {sha256}, and {MANIFEST_FILE} beside it says "
            f"{manifest.sha256}. The file was damaged or replaced: publish it again as a new "
            "version, and do not serve this one."
        )


def _parsed(model: type[_Model], content: bytes, source: str) -> _Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise StoreError(f"{source}: not what publish writes there: {error}") from error
