"""Tune on SageMaker: try learning rates, batch sizes, weight decays and augmentation strengths.

Each trial is a training job on one process of one instance; accuracy on valid is what is made as
large as it can. A flag that is given, such as --batch-size 128, is fixed and not tuned. With --spot
each trial has checkpoints on S3, and goes on from its last epoch after its instance was taken away.
It shows the highest possible price (so does --dry-run) and asks before it starts, and in the end
the trials as a table, and writes the best one's flags as a file for `--config` of both trains.

    python -m training cloud tune --data s3://my-bucket/data/home --role GarmentTraining --trials 20
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from training.aws import client, code_of, plain_errors, session
from training.cloud.jobs import arguments as job_arguments
from training.cloud.jobs import job
from training.cloud.jobs.launch import (
    agreed,
    being_started,
    check_places,
    how_to_follow,
    price_of,
    source,
)
from training.cloud.jobs.ranges import Ranges, ranges
from training.cloud.jobs.rehearsal import Rehearsal, Rehearsed
from training.cloud.jobs.trials import table, trials, write_config
from training.cloud.jobs.watch import ENDED
from training.cloud.roles import role_arn
from training.cloud.waiting import watch
from training.command import positive
from training.errors import CloudError

LONGEST_NAME = 32
POLL_SECONDS = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--name", help="of the tuning; of one that is there, to follow it (default: a new one)")
    add("--strategy", choices=("Bayesian", "Hyperband"), default="Bayesian")
    add("--trials", type=positive, default=20, help="jobs at most (default: %(default)s)")
    add("--parallel", type=positive, default=2, help="jobs at once (default: %(default)s)")
    add(
        "--range",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH",
        help="other limits than the usual, or NAME=A,B,C to choose from; repeat it for more",
    )
    add("--best", type=Path, metavar="FILE", help="for the best trial's flags (default: NAME.json)")
    add("--no-wait", action="store_true", help="start it, and do not follow it")
    job_arguments.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start a tuning and follow it; the exit status is 1 when no trial has an accuracy."""
    made = session()
    name = arguments.name or job.new_name("garment")
    if len(name) > LONGEST_NAME:
        raise CloudError(f"--name {name}: a tuning's has {LONGEST_NAME} characters at most")
    best = arguments.best or Path(f"{name}.json")
    # Only what a spot instance was taken away from is started again.
    folder = job.TRIAL_CHECKPOINTS if arguments.spot else None
    wanted = job.job_of(arguments, name, checkpoint_dir=folder)
    if arguments.strategy == "Hyperband" and wanted.hyperparameters.get("epochs") == "1":
        raise CloudError("Hyperband stops bad trials after some epochs: --epochs 2 or more")
    chosen = ranges(arguments.range, wanted.hyperparameters)
    role = role_arn(arguments.role, made, dry_run=arguments.dry_run)
    if arguments.dry_run:
        check_places(wanted, made, dry_run=True)
        print(price_of(wanted, made, arguments.trials))
        rehearsal = Rehearsal(made.region_name, "CreateHyperParameterTuningJob")
        with contextlib.suppress(Rehearsed):
            _start(arguments, wanted, role, chosen, rehearsal.session)
        rehearsal.show()
        return 0
    sagemaker = client("sagemaker", made)
    if arguments.name and _describe(sagemaker, name) is not None:
        print(f"{name} is there already; no tuning is started")
        return _watch(sagemaker, name, best)
    if not agreed(wanted, made, arguments.trials, yes=arguments.yes):
        return 1
    with being_started(name):
        _start(arguments, wanted, role, chosen, made)
    print(f"started {name}, tuning {', '.join(chosen)}")
    if wanted.checkpoints:
        print(f"checkpoints, which cost storage until they are deleted: {wanted.checkpoints}")
    if arguments.no_wait:
        print(f"it costs money until it ends: {how_to_follow(name)}")
        return 0
    return _watch(sagemaker, name, best)


def _start(
    arguments: argparse.Namespace, wanted: job.Job, role: str, chosen: Ranges, made: boto3.Session
) -> None:
    from training.cloud.jobs.tuning import tune

    with source() as folder, plain_errors(f"starting the tuning {wanted.name}"):
        tune(
            wanted,
            role,
            folder,
            chosen,
            made,
            strategy=arguments.strategy,
            trials=arguments.trials,
            parallel=arguments.parallel,
            epochs=int(wanted.hyperparameters.get("epochs", 30)),
        )


def _describe(sagemaker: Any, name: str) -> dict[str, Any] | None:
    with plain_errors(f"looking at the tuning {name}"):
        try:
            return dict(
                sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            )
        except ClientError as error:
            if code_of(error) in ("ResourceNotFound", "ResourceNotFoundException"):
                return None
            raise


def follow(sagemaker: Any, name: str, best: Path, seconds: float = POLL_SECONDS) -> int:
    """Tell how many trials have ended until the tuning has; then show and write what was found.

    Args:
        sagemaker: the client.
        name: of the tuning.
        best: the file for the best trial's flags.
        seconds: between two looks.
    """
    told = ""
    while True:
        tuning = _describe(sagemaker, name)
        if tuning is None:
            raise CloudError(f"there is no tuning {name} any more")
        counts = tuning["TrainingJobStatusCounters"]
        text = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        if text != told:
            print(
                f"-- {tuning['HyperParameterTuningJobStatus']}: {text or 'no trials'}", flush=True
            )
            told = text
        if tuning["HyperParameterTuningJobStatus"] in ENDED:
            break
        time.sleep(seconds)
    found = trials(sagemaker, name)
    print(table(found))
    if tuning.get("FailureReason"):
        print(f"why: {tuning['FailureReason']}")
    if not found or found[0].accuracy is None:
        print("no trial has an accuracy")
        return 1
    definition = tuning["TrainingJobDefinition"]
    write_config(found[0], definition["StaticHyperParameters"], best)
    print(f"best: {found[0].job}, {found[0].accuracy:.2%} on valid; python -m training train")
    start = _start_from(definition)
    more = f" --start-from {start}" if start else ""  # another needs another learning rate
    print(f"    --config {best} --data DATA --output OUTPUT{more} trains with its flags")
    return 0


def _start_from(definition: dict[str, Any]) -> str | None:
    """The address of the artifact that all trials started from, if they did."""
    for channel in definition.get("InputDataConfig", []):
        if channel["ChannelName"] == job.START_FROM:
            return str(channel["DataSource"]["S3DataSource"]["S3Uri"])
    return None


def _watch(sagemaker: Any, name: str, best: Path) -> int:
    def stop() -> None:
        with plain_errors(f"stopping {name}"):
            sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)

    again = f"the same command with --name {name}"
    kept = "What its trials have learnt so far is kept."
    return watch(name, again, kept, stop, lambda: follow(sagemaker, name, best))
