"""Batch Transform jobs: their requests, and the series of jobs that one labelling takes.

A labelling is known by what goes in: the model, the photos with their ETags, and where the answers
go. Its jobs are NAME, NAME-2 and so on: AWS never forgets a job, and takes each name once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

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


def wait_for_job(calls: Calls, job: str, timeout: float) -> dict[str, Any]:
    """Wait until the job is over, and give what AWS says of it; `timeout` is in seconds.

    Raises:
        CloudError: it is not over by then.
    """
    last: dict[str, Any] = {}

    def look() -> tuple[bool, str]:
        last.update(find_job(calls, job) or {"TransformJobStatus": "not seen yet"})
        status = last["TransformJobStatus"]
        return status not in (*BUSY, "not seen yet"), f"{job}: {status}"

    wait_until_done(look, timeout, "Run the same command again to follow it")
    return last
