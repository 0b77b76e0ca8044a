"""Train on SageMaker: start a training job, follow its log, and tell what it made and cost.

The job runs the same training/train.py as on a laptop; flags of `train` that are not listed below
follow after --. Several instances work on one model. It shows the highest possible price and asks
before it starts. With the --name of a job that is there it starts none, and follows that one.
--dry-run shows the price too, and prints the requests; it reads what they depend on only.

    python -m training cloud train --data s3://my-bucket/data/fashion-mnist --role GarmentTraining
    python -m training cloud train --data s3://my-bucket/data/home --role R --spot -- --mix cutmix
"""

from __future__ import annotations

import argparse

import boto3

from training.aws import client, plain_errors, session
from training.cloud.jobs import arguments as job_arguments
from training.cloud.jobs import job
from training.cloud.jobs.launch import (
    agreed,
    being_started,
    check_places,
    how_to_follow,
    launch,
    price_of,
    rehearse,
)
from training.cloud.jobs.watch import Log, describe, follow, summary
from training.cloud.roles import role_arn
from training.cloud.waiting import watch
from training.command import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--name", help="of the job; of one that is there, to follow it (default: a new one)"
    )
    parser.add_argument(
        "--instances",
        type=positive,
        default=1,
        help="how many train one model together, by torchrun (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoints",
        metavar="s3://BUCKET/PREFIX",
        help="go on from the checkpoint of a job with the same flags (default: the job's own)",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="profile the first steps; the result is in output.tar.gz beside the artifact",
    )
    parser.add_argument("--no-wait", action="store_true", help="start it, and do not follow it")
    job_arguments.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start a job and follow it; the exit status is 1 when it failed or was stopped."""
    made = session()
    if arguments.profile:
        arguments.flags = [*arguments.flags, "--profile=on"]
    wanted = job.job_of(arguments, arguments.name or job.new_name("garment"), arguments.instances)
    role = role_arn(arguments.role, made, dry_run=arguments.dry_run)
    if arguments.dry_run:
        check_places(wanted, made, dry_run=True)
        print(price_of(wanted, made))
        rehearse(wanted, role, made.region_name).show()
        return 0
    if arguments.name and describe(client("sagemaker", made), arguments.name):
        print(f"{arguments.name} is there already; no job is started")
        return _watch(arguments.name, made)
    if not agreed(wanted, made, yes=arguments.yes):
        return 1
    with being_started(wanted.name):
        launch(wanted, role, made)
    print(f"started {wanted.name}; sources: {', '.join(wanted.channels)}")
    print(f"TensorBoard: tensorboard --logdir {wanted.output}/{wanted.name}/tensorboard-output")
    if arguments.no_wait:
        print(f"it costs money until it ends: {how_to_follow(wanted.name)}")
        return 0
    return _watch(wanted.name, made)


def _watch(name: str, made: boto3.Session) -> int:
    sagemaker, log = client("sagemaker", made), Log(client("logs", made), name)

    def stop() -> None:
        with plain_errors(f"stopping {name}"):
            sagemaker.stop_training_job(TrainingJobName=name)

    def wait() -> int:
        status, text = summary(follow(sagemaker, log))
        print(text)
        return status

    again = f"the same command with --name {name}"
    return watch(name, again, "What it has learnt so far is kept.", stop, wait)
