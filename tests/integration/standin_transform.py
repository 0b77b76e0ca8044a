"""Batch Transform for the stand-in: each photo is posted to ENDPOINT_UPSTREAM.

A job works on some of its photos whenever it is looked at, as `Plan` says.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import EmptyResult
from moto.s3.models import s3_backends
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse
from standin_endpoints import Plan  # beside this file, as the stand-in runs as a script

UPSTREAM = os.environ.get("ENDPOINT_UPSTREAM")


def create_transform_job(self: SageMakerResponse) -> Any:
    name = self._get_param("TransformJobName")
    backend = self.sagemaker_backend
    if name in backend.transform_jobs:
        raise ValidationError(f"Job name must be unique within an AWS account: {name!r}.")
    backend.describe_model(self._get_param("ModelName"))
    answer, plan = _moto_create_transform_job(self), Plan.read()
    job = backend.transform_jobs[name]
    source = job.transform_input["DataSource"]["S3DataSource"]
    assert source["S3DataType"] == "ManifestFile"
    manifest = json.loads(_read(s3_backends[self.current_account]["aws"], source["S3Uri"]))
    WORK[name] = Work(manifest[0]["prefix"], manifest[1:], plan)
    job.transform_job_status, job.failure_reason = "InProgress", None
    return answer


def describe_transform_job(self: SageMakerResponse) -> Any:
    name = self._get_param("TransformJobName")
    job = self.sagemaker_backend.transform_jobs.get(name)
    if job and job.transform_job_status == "InProgress":
        _work(s3_backends[self.current_account]["aws"], job, WORK[name])
    elif job and job.transform_job_status == "Stopping":
        job.transform_job_status = "Stopped"
    return _moto_describe_transform_job(self)


def stop_transform_job(self: SageMakerResponse) -> Any:
    """It is stopping, and stopped when it was looked at; its answers so far stay, here."""
    name = self._get_param("TransformJobName")
    self.sagemaker_backend.describe_transform_job(name)
    job = self.sagemaker_backend.transform_jobs[name]
    if job.transform_job_status != "InProgress":
        raise ValidationError(f"The job {name!r} is {job.transform_job_status} already.")
    job.transform_job_status = "Stopping"
    return EmptyResult()


@dataclass
class Work:
    """What a transform job has still to do: some photos at each look at it."""

    prefix: str
    waiting: list[str]
    plan: Plan
    looks: int = 0
    refused: list[str] = field(default_factory=list)


WORK: dict[str, Work] = {}


def _work(s3: Any, job: Any, work: Work) -> None:
    """An equal share of the photos until the last look, at which the job ends."""
    left = work.plan.looks - work.looks
    share = len(work.waiting) if left <= 0 else len(work.waiting) // (left + 1)
    work.looks += 1
    for name in work.waiting[:share]:
        why = name if name == work.plan.lost else _transform(s3, job, work.prefix, name)
        work.refused += [why] if why else []
    del work.waiting[:share]
    if left <= 0:
        job.transform_job_status = "Failed" if work.refused else "Completed"
        if work.refused:
            job.failure_reason = work.plan.reason or f"ClientError: {work.refused[0]}"


def _transform(s3: Any, job: Any, prefix: str, name: str) -> str:
    """Post a photo and write the answer; why there is none."""
    headers = {
        "Content-Type": job.transform_input["ContentType"],
        "Accept": job.transform_output["Accept"],
    }
    body = _read(s3, prefix + name)
    request = urllib.request.Request(f"{UPSTREAM}/invocations", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            line = response.read() + b"\n"  # AssembleWith: Line
    except (urllib.error.HTTPError, ValueError) as error:
        return f"{name}: {error}"
    bucket, _, out = job.transform_output["S3OutputPath"][5:].partition("/")
    s3.put_object(bucket, "/".join(filter(None, [out.strip("/"), f"{name}.out"])), line)
    return ""


def _read(s3: Any, url: str) -> bytes:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return s3.get_object(bucket, key).value


_moto_create_transform_job = SageMakerResponse.create_transform_job
_moto_describe_transform_job = SageMakerResponse.describe_transform_job


def install() -> None:
    """Put these calls in the place of moto's."""
    SageMakerResponse.create_transform_job = create_transform_job
    SageMakerResponse.describe_transform_job = describe_transform_job
    SageMakerResponse.stop_transform_job = stop_transform_job
