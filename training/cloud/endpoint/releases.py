"""The model artifact that is deployed: found on S3, fetched and verified."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from app.artifact import Golden, open_artifact
from app.release import ARCHIVE_FILE, MODEL_FILE
from training.aws import plain_errors
from training.cloud.buckets import check_region, location
from training.cloud.calls import Calls
from training.errors import CloudError
from training.releases.packed import extract


@dataclass(frozen=True)
class Release:
    """A `model.tar.gz` on S3, and what is in it. `golden` is empty where it could not be read."""

    url: str
    version: str
    sha256: str
    golden: list[Golden] = field(default_factory=list)


def fetch_release(calls: Calls, url: str) -> Release:
    """Fetch and verify the artifact in `url`: a model.tar.gz, or the folder of a release with one.

    Raises:
        CloudError: it is not there or not in this region, or S3 refuses.
        ArtifactError: it is no artifact of this service.
    """
    if not url.endswith(".tar.gz"):
        url = f"{url.rstrip('/')}/{ARCHIVE_FILE}"
    bucket, key = location(url)
    found = calls.find("s3", "GetObject", {"Bucket": bucket, "Key": key}, f"reading {url}")
    if found is None and calls.offline:
        return Release(url, "VERSION", "0" * 64)
    if found is None:
        raise CloudError(
            f"{url} is not there. SageMaker takes a model.tar.gz: publish the release with --tar "
            "(python -m training publish MODEL s3://BUCKET/PREFIX --tar), and give "
            "s3://BUCKET/PREFIX/VERSION/"
        )
    check_region(calls.client("s3"), bucket)
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(found["Body"]) as body:
        path = Path(folder) / MODEL_FILE
        with plain_errors(f"reading {url}"):
            extract(body, path, url)
        artifact = open_artifact(path)
    return Release(url, artifact.card.version, artifact.sha256, artifact.golden)
