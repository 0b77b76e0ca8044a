"""Publish an artifact to a folder or to S3, where services fetch it from.

Writes PREFIX/VERSION/model.pt, then PREFIX/VERSION/manifest.json with its SHA-256, and
PREFIX/latest.json last; the version is the one in the artifact's model card. A version is never
overwritten. Publishing the same artifact again changes nothing and finishes what was interrupted.

    python -m training publish runs/resnet18/model.pt s3://shop-models/garments
    python -m training publish runs/resnet18/model.pt /srv/models --dry-run
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from app.artifact import (
    ARCHIVE_FILE,
    LATEST_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    ArtifactError,
    Latest,
    Manifest,
    open_artifact,
    sha256_of,
)
from training.destinations import Destination, FolderDestination, Readable
from training.errors import ChangedError, ExistsError, PublishError
from training.release import (
    manifest_of,
    sha256_in_archive,
    sha256_in_manifest,
    sha256_of_model,
    write_archive,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, help="the model.pt to publish")
    parser.add_argument("destination", help="a folder, or s3://BUCKET/PREFIX")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, only")
    parser.add_argument("--no-latest", action="store_true", help="leave latest.json as it is")
    parser.add_argument(
        "--tar", action="store_true", help="also write model.tar.gz, which SageMaker takes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Publish one artifact; prints each file."""
    try:
        with _destination(arguments.destination) as destination:
            publish(
                arguments.model,
                destination,
                tar=arguments.tar,
                latest=not arguments.no_latest,
                dry_run=arguments.dry_run,
            )
    except (PublishError, ArtifactError, OSError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


def publish(
    model: Path,
    destination: Destination,
    *,
    tar: bool = False,
    latest: bool = True,
    dry_run: bool = False,
) -> Manifest:
    """Publish the artifact at `model` and give its manifest; prints each file.

    Raises:
        ArtifactError: `model` is no artifact.
        PublishError: another file is published under this version, another publisher was faster,
            or the destination cannot be written.
    """
    manifest = manifest_of(open_artifact(model))
    # Before anything is written: a change by another publisher from here on is noticed.
    before = destination.read(LATEST_FILE)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / MANIFEST_FILE
        text.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        archive = Path(folder) / ARCHIVE_FILE
        files: list[tuple[Path, Callable[[Readable], str]]] = [(model, sha256_of_model)]
        if tar:
            write_archive(model, archive)
            files.append((archive, sha256_in_archive))
        # The manifest is last: where it is, the rest of the version is whole.
        files.append((text, sha256_in_manifest))
        manifest_there = _stored(destination, f"{manifest.version}/{MANIFEST_FILE}", files[-1][1])
        if manifest_there not in (None, manifest.sha256):
            raise PublishError(_taken(destination, manifest, MANIFEST_FILE))
        for source, digest in files:
            name = MODEL_FILE if source == model else source.name
            _put(destination, manifest, name, source, digest, dry_run)
    if latest:
        _point_latest(destination, manifest, before, dry_run)
    return manifest


def _put(
    destination: Destination,
    manifest: Manifest,
    file: str,
    source: Path,
    digest: Callable[[Readable], str],
    dry_run: bool,
) -> None:
    """Create one file of the version unless it is there, and read it back."""
    name, size, created = f"{manifest.version}/{file}", source.stat().st_size, False
    found = _stored(destination, name, digest)
    if found is None and dry_run:
        print(f"would write {destination}/{name} ({size:,} bytes)")
        return
    if found is None:
        # Where another publisher was faster, reading back shows whether with the same file.
        with source.open("rb") as content, contextlib.suppress(ExistsError):
            destination.create(name, content, size, sha256_of(source))
            created = True
        found = _stored(destination, name, digest)
    if found != manifest.sha256 and created:
        raise PublishError(
            f"{destination}/{name} was written and reads back differently (SHA-256 {found}, not "
            f"{manifest.sha256}): do not serve it. Check the storage, delete it and publish again."
        )
    if found != manifest.sha256:
        raise PublishError(_taken(destination, manifest, file))
    print(f"{'wrote' if created else 'is there already:'} {destination}/{name} ({size:,} bytes)")


def _stored(destination: Destination, name: str, digest: Callable[[Readable], str]) -> str | None:
    with destination.open(name) as stream:
        return None if stream is None else digest(stream)


def _taken(destination: Destination, manifest: Manifest, file: str) -> str:
    return (
        f"{destination}/{manifest.version}/{file} exists and belongs to another artifact. A "
        "published version is never overwritten: export this one under a new version. (If an "
        f"interrupted publish left it and there is no {MANIFEST_FILE}, it may be deleted.)"
    )


def _point_latest(
    destination: Destination, manifest: Manifest, before: tuple[bytes, str] | None, dry_run: bool
) -> None:
    """Make latest.json name this version, unless somebody changed it since `before`."""
    old = _version_in(before, f"{destination}/{LATEST_FILE}")
    change = f"{destination}/{LATEST_FILE}: {old or 'none'} -> {manifest.version}"
    if _is_older(destination, manifest, old):
        change += " (an older model than before)"
    if old == manifest.version:
        print(f"{destination}/{LATEST_FILE} names {old} already")
        return
    if dry_run:
        print(f"would write {change}")
        return
    latest = Latest(
        version=manifest.version,
        manifest=f"{manifest.version}/{MANIFEST_FILE}",
        published=datetime.now(UTC),
    )
    content = (latest.model_dump_json(indent=1) + "\n").encode()
    try:
        destination.replace(LATEST_FILE, content, before[1] if before else None)
    except ChangedError as error:
        now = destination.read(LATEST_FILE)
        if now is None or now[0] != content:  # otherwise a put that was sent twice arrived twice
            raise PublishError(
                f"{destination}/{LATEST_FILE} was changed by another publish meanwhile and names "
                f"{_version_in(now, LATEST_FILE) or 'no version'}. Version {manifest.version} is "
                "stored; run this again if it is the one to serve."
            ) from error
    print(change)


def _version_in(latest: tuple[bytes, str] | None, name: str) -> str | None:
    if latest is None:
        return None
    try:
        return Latest.model_validate_json(latest[0]).version
    except ValidationError as error:
        raise PublishError(
            f"{name} is not what publish writes there; move it away first: {error}"
        ) from error


def _is_older(destination: Destination, manifest: Manifest, old: str | None) -> bool:
    found = destination.read(f"{old}/{MANIFEST_FILE}") if old else None
    try:
        created = Manifest.model_validate_json(found[0]).created if found else None
    except ValidationError:
        return False
    return created is not None and manifest.created is not None and manifest.created < created


@contextlib.contextmanager
def _destination(name: str) -> Iterator[Destination]:
    if not name.startswith("s3://"):
        yield FolderDestination(Path(name))
        return
    from training.cloud.s3 import S3Destination  # boto3 takes half a second to import

    with contextlib.closing(S3Destination(name)) as destination:
        yield destination
