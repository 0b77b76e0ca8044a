"""Make `latest.json` name the version to serve, unless somebody else changed it meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from app.release import LATEST_FILE, MANIFEST_FILE, Latest, Manifest
from training.errors import ChangedError, PublishError
from training.releases.destinations import Destination


def point_latest(
    destination: Destination, manifest: Manifest, before: tuple[bytes, str] | None, dry_run: bool
) -> None:
    """Make latest.json name this version, and print from where to where it moves.

    Args:
        destination: where the version is published.
        manifest: of the version.
        before: what latest.json said before anything was written, and its tag.
        dry_run: print only.

    Raises:
        PublishError: it was changed since `before`, or is no latest.json.
    """
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


def published(destination: Destination) -> str | None:
    """The version that latest.json names; None where there is none.

    Raises:
        PublishError: it is no latest.json, or cannot be read.
    """
    return _version_in(destination.read(LATEST_FILE), f"{destination}/{LATEST_FILE}")


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
