"""A training job before it is started: what the command line asks for, checked."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from training.cloud.buckets import Location, location
from training.cloud.jobs.arguments import COMMON
from training.cloud.jobs.hyperparameters import Hyperparameters, hyperparameters
from training.configuration import with_config
from training.data.source_names import channel_name, named_numbers
from training.errors import CloudError, DataError

ML = "/opt/ml"
"""The folder of a job's container that SageMaker fills and reads."""

CHECKPOINTS = f"{ML}/checkpoints"
"""What SageMaker copies to S3 while a job runs, and back before it is started again."""

TRIAL_CHECKPOINTS = f"{CHECKPOINTS}/$TRAINING_JOB_NAME"
"""The trials of a tuning share one address on S3, so each has a folder there; `train` knows its own
by the variable, which SageMaker sets."""

START_FROM = "start_from"
"""The channel with the artifact to start from; `training.container` takes it for no data."""

NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True)
class Job:
    """What a job reads, runs on and leaves; times in seconds.

    `channels` are S3 addresses by channel, `role` a name or an ARN. `image` is None for AWS's
    newest, `checkpoints` for none at all; `goes_on` tells that there has to be one already.
    """

    name: str
    role: str
    channels: Mapping[str, str]
    hyperparameters: Hyperparameters
    output: Location
    checkpoints: str | None
    instance_type: str
    instances: int
    volume_gb: int
    spot: bool
    max_run: int
    max_wait: int | None
    image: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    goes_on: bool = False


def job_of(
    arguments: argparse.Namespace,
    name: str,
    instances: int = 1,
    *,
    checkpoint_dir: str | None = CHECKPOINTS,
) -> Job:
    """The job that the command line describes; asks nothing of AWS.

    Args:
        arguments: as `job_arguments` declares them.
        name: of the job.
        instances: how many train together.
        checkpoint_dir: the container's folder for checkpoints, which are kept on S3, and from
            which it goes on; None for no checkpoints.

    Raises:
        CloudError: something about it is wrong.
        TrainingError: the file of `--config` cannot be read.
    """
    if not NAME.fullmatch(name):
        raise CloudError(f"--name {name}: SageMaker takes up to 63 letters, digits and hyphens")
    channels = _channels(arguments.data)
    first = location(next(iter(channels.values())))
    output = location(arguments.output) if arguments.output else Location(first.bucket, "jobs")
    flags = hyperparameters(with_config([*_common(arguments), *arguments.flags]))
    try:
        named_numbers(flags.get("weights", ""), list(channels), "--weights")
        named_numbers(flags.get("augment-of", ""), list(channels), "--augment-of", most=1)
    except DataError as error:
        raise CloudError(str(error)) from error
    # The container's folders; what lies below the output becomes output.tar.gz.
    if checkpoint_dir:
        flags |= {"resume": "true", "checkpoint-dir": checkpoint_dir}
    if flags.get("profile"):
        flags["profile"] = f"{ML}/output/data/profile"
    if arguments.start_from:
        location(arguments.start_from)
        if not arguments.start_from.endswith((".pt", ".tar.gz")):
            raise CloudError(
                f"--start-from {arguments.start_from}: name the model.pt or model.tar.gz itself"
            )
        channels[START_FROM] = arguments.start_from
        file = arguments.start_from.rpartition("/")[2]
        flags["start-from"] = f"{ML}/input/data/{START_FROM}/{file}"
    if arguments.max_wait_hours is not None and not arguments.spot:
        raise CloudError("--max-wait-hours is for --spot; --max-hours limits how long the job runs")
    given = getattr(arguments, "checkpoints", None)  # `tune` has no such flag
    checkpoints = str(location(given)) if given else f"{output}/{name}/checkpoints"
    run = round(arguments.max_hours * 3600)
    wait = round((arguments.max_wait_hours or 2 * arguments.max_hours) * 3600)
    if arguments.spot and wait < run:
        raise CloudError("--max-wait-hours counts the running too: it is at least --max-hours")
    return Job(
        name=name,
        role=arguments.role,
        channels=channels,
        hyperparameters=flags,
        output=output,
        checkpoints=checkpoints if checkpoint_dir else None,
        instance_type=arguments.instance_type,
        instances=instances,
        volume_gb=arguments.volume_gb,
        spot=arguments.spot,
        max_run=run,
        max_wait=wait if arguments.spot else None,
        image=arguments.image,
        tags=_tags(arguments.tag),
        goes_on=bool(given),
    )


def new_name(prefix: str) -> str:
    """A name that no job of this account has, if only one is started in a second."""
    return f"{prefix}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _channels(given: Sequence[str]) -> dict[str, str]:
    channels: dict[str, str] = {}
    for text in given:
        name, equals, uri = text.partition("=")
        if not equals or name.startswith("s3://"):
            name, uri = "", text
        where = location(uri)
        channel = channel_name(name or where.key.rpartition("/")[2])
        if not channel or channel in ("code", "sm_drivers", START_FROM):
            raise CloudError(f"--data {text}: name the source: --data NAME=s3://...")
        if channel in channels:
            raise CloudError(f"two sources are named {channel!r}: write --data NAME={uri}")
        # With the slash: without it, data/home would also bring data/home-old.
        channels[channel] = f"{where}/"
    return channels


def _common(arguments: argparse.Namespace) -> list[str]:
    values = {name: getattr(arguments, name.replace("-", "_")) for name in COMMON}
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def _tags(given: Sequence[str]) -> dict[str, str]:
    tags = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CloudError(f"--tag {text!r} is not KEY=VALUE")
        tags[key] = value
    return tags
