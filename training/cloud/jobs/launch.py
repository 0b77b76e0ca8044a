"""Start a training job with sagemaker's SDK, or tell what would be asked of AWS."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError

from training.aws import client, plain_errors
from training.cloud.asking import ask
from training.cloud.buckets import Location, check_region, location, names_in
from training.cloud.jobs.job import START_FROM, Job
from training.cloud.jobs.rehearsal import Rehearsal, Rehearsed
from training.cloud.jobs.source import write_source
from training.cloud.prices import highest_price
from training.data.folder_names import NEEDED, SPLITS, splits_among
from training.errors import CloudError, DataError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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

    with source() as folder, plain_errors(f"starting the job {job.name}"):
        trainer = sdk.trainer_of(job, role, folder, made)
        try:
            trainer.train(input_data_config=sdk.inputs_of(job), wait=False, logs=False)
        finally:
            sdk.clean(trainer)


@contextlib.contextmanager
def being_started(name: str) -> Iterator[None]:
    """Tell the name of what may run and cost money already when Ctrl-C comes in here."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise CloudError(
            f"interrupted while {name} was being started. If it was, it costs money: "
            f"{how_to_follow(name)}"
        ) from interrupt


def how_to_follow(name: str) -> str:
    """How to see what a job or a tuning does, and to stop it."""
    return (
        f"the same command with --name {name}, and without --no-wait, follows it, and on Ctrl-C "
        "asks whether to stop it"
    )


def rehearse(job: Job, role: str, region: str) -> Rehearsal:
    """What `launch` would ask of AWS."""
    rehearsal = Rehearsal(region, "CreateTrainingJob")
    with contextlib.suppress(Rehearsed):
        launch(job, role, rehearsal.session)
    return rehearsal


def price_of(job: Job, made: boto3.Session, jobs: int = 1) -> str:
    """A sentence on what so many runs of a job may cost at most, or on why that is not known."""
    return highest_price(job.instance_type, job.instances, job.max_run, jobs, made, job.spot)


def agreed(job: Job, made: boto3.Session, jobs: int = 1, *, yes: bool) -> bool:
    """Whether a job may start: its places are there, the price is told, the user says yes.

    Args:
        job: what is wanted.
        made: the session that asks AWS.
        jobs: how many such jobs at most.
        yes: the user has said it already.

    Raises:
        CloudError: see `check_places`; or there is nobody to ask.
    """
    check_places(job, made)
    print(price_of(job, made, jobs))
    if yes or ask(f"Start {job.name}?"):
        return True
    print("nothing was started")
    return False


def check_places(job: Job, made: boto3.Session, *, dry_run: bool = False) -> None:
    """What costs minutes to find out once the job has started: is there data, in this region?

    Args:
        job: what is wanted.
        made: the session that asks AWS.
        dry_run: where AWS cannot be asked, it says so and goes on.

    Raises:
        CloudError: a bucket lies elsewhere, or what lies there is no data that `train` would
            take, or no checkpoint to go on from.
    """
    try:
        _check_places(job, client("s3", made))
    except CloudError as error:
        if not dry_run or not isinstance(error.__cause__, BotoCoreError):
            raise
        print(f"AWS cannot be asked whether the job would find its data: {error}")


def _check_places(job: Job, s3: S3Client) -> None:
    places = {name: location(uri) for name, uri in job.channels.items()}
    kept = [location(job.checkpoints)] if job.checkpoints else []
    for bucket in {where.bucket for where in [*places.values(), job.output, *kept]}:
        check_region(s3, bucket)
    if job.goes_on:
        _check_checkpoint(s3, kept[0])
    listed: dict[str, set[str]] = {}
    for name, where in places.items():
        if name == START_FROM:  # a file
            with plain_errors(f"looking at {where}"):
                s3.head_object(Bucket=where.bucket, Key=where.key)
        else:
            listed[name] = names_in(s3, where)
            _check_source(name, where, listed[name])
    alone = [name for name, found in listed.items() if _is_split(name, found)]
    missing = [split for split in NEEDED if split not in alone]
    if alone and missing:  # together they are one source
        raise CloudError(
            f"training needs a {missing[0]!r} split, and --data {', '.join(alone)} has none: name "
            "the folder of a whole source, as prepare made it"
        )


def _check_checkpoint(s3: S3Client, where: Location) -> None:
    """The job would start anew without it, and say so in its log only."""
    from training.checkpoint import FILE  # brings torch

    if FILE not in names_in(s3, where):
        raise CloudError(
            f"there is no {FILE} in {where}, so there is nothing to go on from: name the place "
            "that `cloud train` told at the end of the earlier job, or leave out --checkpoints"
        )


def _is_split(name: str, found: set[str]) -> bool:
    """Whether a channel is one split, and no source with splits in it: see `container.data_of`."""
    return name in SPLITS and "train/" not in found


def _check_source(name: str, where: Location, found: set[str]) -> None:
    if not found:
        raise CloudError(
            f"there is nothing below {where} (--data {name}): upload it first, "
            f"python -m training cloud upload DATA {where}"
        )
    if _is_split(name, found):
        return
    try:
        names = {each.rstrip("/") for each in found}
        splits = splits_among(names, f"{where} (--data {name})")
    except DataError as error:
        raise CloudError(str(error)) from error
    missing = [split for split in NEEDED if split not in splits]
    if missing:
        raise CloudError(
            f"{where} (--data {name}) has no {' and no '.join(missing)}, as a folder or a .zip, "
            f"but {_listed(found)}: name the folder of one source, as prepare made it"
        )


def _listed(names: set[str], most: int = 5) -> str:
    shown = ", ".join(sorted(names)[:most])
    return f"{shown}, and {len(names) - most} more" if len(names) > most else shown


@contextlib.contextmanager
def source() -> Iterator[Path]:
    """A folder with the source of a job, for as long as it takes to send it."""
    with tempfile.TemporaryDirectory() as folder:
        yield write_source(Path(folder) / "source")
