"""Batch Transform jobs: their requests, and the series of jobs that one labelling takes.

A labelling is known by what goes in: the model, the photos with their ETags, and where the answers
go. Its jobs are NAME, NAME-2 and so on: AWS never forgets a job, and takes each name once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from training.aws import plain_errors, show_request
from training.cloud.buckets import Location
from training.cloud.calls import Calls
from training.cloud.endpoint.requests import Request, tags
from training.cloud.labelling.photos import MAX_BYTES, Photo
from training.cloud.waiting import wait_until_done

BUSY = ("InProgress", "Stopping")


@dataclass(frozen=True)
class Labelling:
    """Which photos a model is to label, and on which machines."""

    model: str
    source: Location
    out: Location
    kind: str
    machines: int
    at_once: int

    def first_job(self, photos: Sequence[Photo]) -> str:
        """Name of the labelling's first job."""
        digest = hashlib.sha256(json.dumps([self.model, self.source, self.out]).encode())
        for photo in photos:
            digest.update(f"{photo.key}\0{photo.tag}\0".encode())
        return f"{self.model[:40].strip('-')}-label-{digest.hexdigest()[:10]}"


def jobs_of(calls: Calls, first: str) -> list[dict[str, Any]]:
    """The jobs of a labelling so far, as `DescribeTransformJob` has them."""
    jobs: list[dict[str, Any]] = []
    for number in count(1):
        found = find_job(calls, nth_job(first, number))
        if found is None:
            break
        jobs.append(found)
    return jobs


def nth_job(first: str, number: int) -> str:
    """Name of the labelling's job with this number, from 1 on."""
    return first if number == 1 else f"{first}-{number}"


def find_job(calls: Calls, name: str) -> dict[str, Any] | None:
    """What `DescribeTransformJob` says; None where there is no such job."""
    request = {"TransformJobName": name}
    return calls.find("sagemaker", "DescribeTransformJob", request, f"looking at the job {name}")


def manifest_key(labelling: Labelling, job: str) -> str:
    """Where the list of the job's photos lies, beside its answers."""
    return "/".join(filter(None, [labelling.out.key, f"{job}.manifest"]))


def manifest(labelling: Labelling, photos: Sequence[Photo]) -> bytes:
    """The list of a job's photos, as AWS has it."""
    prefix = {"prefix": f"{labelling.source}/"}
    return json.dumps([prefix, *(photo.name for photo in photos)]).encode()


def photos_of(
    calls: Calls, labelling: Labelling, job: str, photos: Sequence[Photo]
) -> Sequence[Photo]:
    """Those of the photos that a job has on its list; all of them where its list is gone.

    Raises:
        CloudError: the list cannot be read.
    """
    bucket, key = labelling.out.bucket, manifest_key(labelling, job)
    doing = f"reading s3://{bucket}/{key}"
    found = calls.find("s3", "GetObject", {"Bucket": bucket, "Key": key}, doing)
    if found is None:
        return photos
    with plain_errors(doing), contextlib.closing(found["Body"]) as body:
        names = set(json.loads(body.read())[1:])
    return [photo for photo in photos if photo.name in names]


def create_transform_job(labelling: Labelling, job: str) -> Request:
    """Of `CreateTransformJob`: one photo a request, one line of JSON each."""
    where = f"s3://{labelling.out.bucket}/{manifest_key(labelling, job)}"
    return {
        "TransformJobName": job,
        "ModelName": labelling.model,
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": labelling.at_once,
        "MaxPayloadInMB": MAX_BYTES // 1024**2,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 3},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": where}},
            # The service goes by the content of each photo, whatever this says.
            "ContentType": "application/x-image",
            "CompressionType": "None",
            "SplitType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": str(labelling.out),
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
        },
        "TransformResources": {
            "InstanceType": labelling.kind,
            "InstanceCount": labelling.machines,
        },
        "Tags": tags({"model": labelling.model}),
    }


def start_job(calls: Calls, labelling: Labelling, job: str, photos: Sequence[Photo]) -> None:
    """Write the list of a job's photos and start it; a dry run shows both requests."""
    bucket, key = labelling.out.bucket, manifest_key(labelling, job)
    body = manifest(labelling, photos)
    if calls.dry_run:
        said = f"the names of {len(photos)} photos, {len(body)} bytes"
        show_request("s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": said})
    else:
        request = {"Bucket": bucket, "Key": key, "Body": body}
        calls.change("s3", "PutObject", request, f"writing s3://{bucket}/{key}")
    request = create_transform_job(labelling, job)
    calls.change("sagemaker", "CreateTransformJob", request, f"starting {job}")


def stop_job(calls: Calls, job: str) -> None:
    """Stop a job.

    Raises:
        CloudError: AWS refuses, such as for one that is over.
    """
    calls.change("sagemaker", "StopTransformJob", {"TransformJobName": job}, f"stopping {job}")


def wait_for_job(
    calls: Calls, job: str, timeout: float, progress: Callable[[datetime], str]
) -> dict[str, Any]:
    """Wait until the job is over, and give what AWS says of it.

    Args:
        calls: to AWS.
        job: its name.
        timeout: seconds.
        progress: tells how far a job is that began then.

    Raises:
        CloudError: it is not over by then; see `waiting.watch`, which this is for.
    """
    last: dict[str, Any] = {}

    def look() -> tuple[bool, str]:
        found = find_job(calls, job)
        if found is None:
            return False, f"{job}: not seen yet"
        last.update(found)
        status = last["TransformJobStatus"]
        busy = status in BUSY
        far = f", {progress(last['CreationTime'])}" if busy else ""
        return not busy, f"{job}: {status}{far}"

    wait_until_done(look, timeout, None)
    return last
