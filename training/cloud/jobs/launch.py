"""Start a training job with sagemaker's SDK, or tell what would be asked of AWS."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3

from training.cloud.aws import client, plain_errors
from training.cloud.buckets import check_region, location, stored
from training.cloud.jobs.job import Job
from training.cloud.jobs.rehearsal import Rehearsal, Rehearsed
from training.cloud.jobs.source import write_source
from training.errors import CloudError


def launch(job: Job, role: str, made: boto3.Session) -> None:
    """Upload the source and start the job.

    Args:
        job: what is wanted.
        role: the role's ARN.
        made: the session that sends.

    Raises:
        CloudError: the SDK is not installed, or AWS refuses.
    """
    from training.cloud.jobs import sdk

    with source() as folder, sdk_errors(f"starting the job {job.name}"):
        trainer = sdk.trainer_of(job, role, folder, made)
        try:
            trainer.train(input_data_config=sdk.inputs_of(job), wait=False, logs=False)
        finally:
            sdk.clean(trainer)


def rehearse(job: Job, role: str, region: str) -> Rehearsal:
    """What `launch` would ask of AWS."""
    rehearsal = Rehearsal(region, "CreateTrainingJob")
    with contextlib.suppress(Rehearsed):
        launch(job, role, rehearsal.session)
    return rehearsal


def check_places(job: Job, made: boto3.Session) -> None:
    """What costs minutes to find out once the job has started: is there data, in this region?

    Raises:
        CloudError: a bucket lies elsewhere, or there is nothing where data should be.
    """
    s3 = client("s3", made)
    places = {name: location(uri) for name, uri in job.channels.items()}
    kept = [location(job.checkpoints)] if job.checkpoints else []
    for bucket in {where.bucket for where in [*places.values(), job.output, *kept]}:
        check_region(s3, bucket)
    for name, where in places.items():
        if where.key.endswith(".pt"):
            with plain_errors(f"looking at {where}"):
                s3.head_object(Bucket=where.bucket, Key=where.key)
        elif next(stored(s3, where), None) is None:
            raise CloudError(
                f"there is nothing below {where} (--data {name}): upload it first, "
                f"python -m training cloud upload DATA {where}"
            )


@contextlib.contextmanager
def source() -> Iterator[Path]:
    """A folder with the source of a job, for as long as it takes to send it."""
    with tempfile.TemporaryDirectory() as folder:
        yield write_source(Path(folder) / "source")


@contextlib.contextmanager
def sdk_errors(doing: str) -> Iterator[None]:
    """As `plain_errors`, and also what the SDK itself refuses (its errors are ValueErrors)."""
    try:
        with plain_errors(doing):
            yield
    except ValueError as error:
        raise CloudError(f"{doing}: {error}") from error
