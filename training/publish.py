"""Publish an artifact to a folder or to S3, where services fetch it from.

Writes PREFIX/VERSION/model.pt, then PREFIX/VERSION/manifest.json with its SHA-256, and
PREFIX/latest.json last; the version is the one in the artifact's model card. A version is never
overwritten. Publishing the same artifact again changes nothing and finishes what was interrupted.
With --report, the page that `evaluate` wrote of the artifact is kept beside it. With --first, where
a latest.json names a version already, nothing is done.

    python -m training publish runs/resnet18/model.pt s3://shop-models/garments
    python -m training publish runs/resnet18/model.pt /srv/models --dry-run
    python -m training publish s3://shop/jobs/JOB/output/model.tar.gz s3://shop-models/garments
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.artifact import ArtifactError, open_artifact
from app.release import ARCHIVE_FILE, LATEST_FILE, MANIFEST_FILE, MODEL_FILE, Manifest, sha256_of
from training.errors import ExistsError, PublishError
from training.releases.destinations import Destination, FolderDestination
from training.releases.latest import point_latest, published
from training.releases.packed import model_file
from training.releases.release import (
    REPORT_FILE,
    ReleaseFile,
    manifest_of,
    sha256_in_archive,
    sha256_in_manifest,
    sha256_of_stream,
    write_archive,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "model", help="the model.pt to publish, or a model.tar.gz with it; here or on S3"
    )
    parser.add_argument("destination", help="a folder, or s3://BUCKET/PREFIX")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, only")
    latest = parser.add_mutually_exclusive_group()
    latest.add_argument("--no-latest", action="store_true", help="leave latest.json as it is")
    latest.add_argument(
        "--first",
        action="store_true",
        help="only where nothing is published yet: for a start-up that is run again and again",
    )
    parser.add_argument(
        "--tar", action="store_true", help="also write model.tar.gz, which SageMaker takes"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help=f"the evaluation.html of this very artifact, kept as PREFIX/VERSION/{REPORT_FILE}; "
        "the same file again is fine, another one is refused",
    )


def run(arguments: argparse.Namespace) -> int:
    """Publish one artifact; prints each file."""
    try:
        with _destination(arguments.destination) as destination:
            if arguments.first and (there := published(destination)):
                print(f"{destination}/{LATEST_FILE} names {there} already, and stays as it is")
                return 0
            with model_file(arguments.model) as model:
                publish(
                    model,
                    destination,
                    tar=arguments.tar,
                    report=arguments.report,
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
    report: Path | None = None,
    latest: bool = True,
    dry_run: bool = False,
) -> Manifest:
    """Publish the artifact at `model` and give its manifest; prints each file.

    Raises:
        ArtifactError: `model` is no artifact.
        PublishError: another file is published under this version, `report` is of another
            artifact, another publisher was faster, or the destination cannot be written.
    """
    manifest = manifest_of(open_artifact(model))
    sha256 = manifest.sha256
    files = [ReleaseFile(MODEL_FILE, model, sha256_of_stream, sha256)]
    if report is not None:
        _check_report(report, sha256)
        # By its bytes: a page that was written again tells another time, and is another file.
        files.append(ReleaseFile(REPORT_FILE, report, sha256_of_stream, sha256_of(report)))
    # Before anything is written: a change by another publisher from here on is noticed.
    before = destination.read(LATEST_FILE)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / MANIFEST_FILE
        text.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if tar:
            archive = Path(folder) / ARCHIVE_FILE
            write_archive(model, archive)
            files.append(ReleaseFile(ARCHIVE_FILE, archive, sha256_in_archive, sha256))
        # The manifest is last: where it is, the rest of the version is whole.
        files.append(ReleaseFile(MANIFEST_FILE, text, sha256_in_manifest, sha256))
        there = _stored(destination, f"{manifest.version}/{MANIFEST_FILE}", files[-1])
        if there not in (None, sha256):
            raise PublishError(_taken(destination, manifest, MANIFEST_FILE))
        for file in files:
            _put(destination, manifest, file, dry_run)
    if latest:
        point_latest(destination, manifest, before, dry_run)
    return manifest


def _check_report(report: Path, sha256: str) -> None:
    if sha256 not in report.read_text(encoding="utf-8", errors="replace"):
        raise PublishError(
            f"{report} is not of this artifact: it does not name its SHA-256 ({sha256}). Run "
            "evaluate on the very file that is published, and give the evaluation.html."
        )


def _put(destination: Destination, manifest: Manifest, file: ReleaseFile, dry_run: bool) -> None:
    """Create one file of the version unless it is there, and read it back."""
    name, size = f"{manifest.version}/{file.name}", file.source.stat().st_size
    found, created = _stored(destination, name, file), False
    if found is None and dry_run:
        print(f"would write {destination}/{name} ({size:,} bytes)")
        return
    if found is None:
        # Where another publisher was faster, reading back shows whether with the same file.
        with file.source.open("rb") as content, contextlib.suppress(ExistsError):
            destination.create(name, content, size, sha256_of(file.source))
            created = True
        found = _stored(destination, name, file)
    if found != file.sha256 and created:
        raise PublishError(
            f"{destination}/{name} was written and reads back differently (SHA-256 {found}, not "
            f"{file.sha256}): do not serve it. Check the storage, delete it and publish again."
        )
    if found != file.sha256:
        raise PublishError(_taken(destination, manifest, file.name))
    print(f"{'wrote' if created else 'is there already:'} {destination}/{name} ({size:,} bytes)")


def _stored(destination: Destination, name: str, file: ReleaseFile) -> str | None:
    with destination.open(name) as stream:
        return None if stream is None else file.digest(stream)


def _taken(destination: Destination, manifest: Manifest, file: str) -> str:
    if file == REPORT_FILE:
        return (
            f"{destination}/{manifest.version}/{file} exists and is another report. A published "
            "version is never overwritten: publish without --report, or give the file that is "
            "there."
        )
    return (
        f"{destination}/{manifest.version}/{file} exists and belongs to another artifact. A "
        "published version is never overwritten: export this one under a new version. (If an "
        f"interrupted publish left it and there is no {MANIFEST_FILE}, it may be deleted.)"
    )


@contextlib.contextmanager
def _destination(name: str) -> Iterator[Destination]:
    if not name.startswith("s3://"):
        yield FolderDestination(Path(name))
        return
    from training.releases.s3 import S3Destination  # boto3 takes half a second to import

    with contextlib.closing(S3Destination(name)) as destination:
        yield destination
