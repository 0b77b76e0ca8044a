"""A job as sagemaker's `ModelTrainer`. Importing this imports that SDK, which takes seconds.

The SDK is kept from what is not its business here: it reports no usage, makes no bucket, checks no
roles, and puts a job's source below the job's output, under the job's name.
"""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import boto3

from training.cloud.jobs.job import CHECKPOINTS, ML, Job
from training.cloud.jobs.measures import definitions
from training.cloud.jobs.source import ENTRY_POINT, REQUIREMENTS, START
from training.errors import CloudError

# The role is AWS's to check, when the job is made; the SDK would ask for iam:Simulate... first.
os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK imports what it has deprecated itself
        from sagemaker.core import image_uris
        from sagemaker.core.helper.session_helper import Session
        from sagemaker.core.shapes import MetricDefinition, Tag
        from sagemaker.core.training.configs import (
            CheckpointConfig,
            Compute,
            InputData,
            OutputDataConfig,
            SourceCode,
            StoppingCondition,
            TensorBoardOutputConfig,
        )
        from sagemaker.train import ModelTrainer
        from sagemaker.train.distributed import Torchrun
except ImportError as error:
    raise CloudError(
        f"the package sagemaker is not installed whole ({error}): "
        ".venv/bin/python docker/install.py --editable '.[sagemaker]'"
    ) from error

_QUIET = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}

PYTORCH, PYTHON = "2.10.0", "py313"
"""Of AWS's container; the newest that the SDK's list has."""


class JobSession(Session):  # type: ignore[misc]  # the SDK has no types
    """A session whose default bucket is the one of the job's output."""

    def __init__(self, job: Job, made: boto3.Session) -> None:
        super().__init__(
            boto_session=made,
            default_bucket=job.output.bucket,
            default_bucket_prefix=job.output.key or None,
            sagemaker_config=_QUIET,
        )
        self._bucket = job.output.bucket

    def default_bucket(self) -> str:
        """The bucket, which is there; the SDK's own method makes one otherwise."""
        return self._bucket


class JobTrainer(ModelTrainer):  # type: ignore[misc]
    """A trainer whose jobs have the name that they are given, and hear SIGTERM."""

    def _create_training_job_args(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        request: dict[str, Any] = super()._create_training_job_args(*arguments, **named)
        request["training_job_name"] = self.base_job_name
        algorithm, data = request["algorithm_specification"], f"{ML}/input/data"
        algorithm.container_arguments = [f"{data}/code/{START}", f"{data}/sm_drivers/sm_train.sh"]
        return request

    def _resolve_staging_bucket(self) -> tuple[str, None]:
        # The SDK's asks IAM what the role may do, which the one who launches need not be allowed.
        return self.sagemaker_session.default_bucket(), None


def image_of(job: Job, region: str) -> str:
    """The image that a job runs in."""
    return job.image or str(
        image_uris.retrieve(
            "pytorch",
            region,
            version=PYTORCH,
            py_version=PYTHON,
            instance_type=job.instance_type,
            image_scope="training",
        )
    )


def trainer_of(
    job: Job, role: str, source: Path | str, made: boto3.Session, *, one_process: bool = False
) -> JobTrainer:
    """The SDK's trainer of a job, which has not sent anything yet.

    Args:
        job: what is wanted.
        role: the role's ARN.
        source: what `write_source` wrote, or its S3 address as a tar.gz.
        made: the session by which it will be sent.
        one_process: never torchrun, which tuning does not take.
    """
    logging.getLogger("sagemaker").setLevel(logging.WARNING)
    on_gpu = job.instance_type.startswith(("ml.g", "ml.p"))
    trainer = JobTrainer(
        sagemaker_session=JobSession(job, made),
        role=role,
        base_job_name=job.name,
        training_image=image_of(job, made.region_name),
        source_code=SourceCode(
            source_dir=str(source),
            entry_script=ENTRY_POINT,
            requirements=REQUIREMENTS,
            ignore_patterns=None,  # there is nothing to ignore, and the SDK would copy it all
        ),
        # One process per GPU, over all instances.
        distributed=Torchrun() if not one_process and (on_gpu or job.instances > 1) else None,
        compute=Compute(
            instance_type=job.instance_type,
            instance_count=job.instances,
            volume_size_in_gb=job.volume_gb,
            enable_managed_spot_training=job.spot,
        ),
        stopping_condition=StoppingCondition(
            max_runtime_in_seconds=job.max_run,
            **({"max_wait_time_in_seconds": job.max_wait} if job.max_wait else {}),
        ),
        output_data_config=OutputDataConfig(s3_output_path=str(job.output)),
        checkpoint_config=job.checkpoints
        and CheckpointConfig(s3_uri=job.checkpoints, local_path=CHECKPOINTS),
        hyperparameters=dict(job.hyperparameters),
        tags=[Tag(key=key, value=value) for key, value in job.tags.items()] or None,
    )
    trainer.with_metric_definitions(
        [MetricDefinition(name=metric["Name"], regex=metric["Regex"]) for metric in definitions()]
    )
    trainer.with_tensorboard_output_config(
        TensorBoardOutputConfig(
            s3_output_path=str(job.output), local_path=f"{ML}/output/data/tensorboard"
        )
    )
    return trainer


def clean(trainer: JobTrainer) -> None:
    """Delete the folders that the SDK made, and leaves behind when something goes wrong."""
    for name in ("_temp_code_dir", "_tuner_temp_dir"):
        folder = getattr(trainer, name, None)
        if folder is not None:
            folder.cleanup()


def inputs_of(job: Job) -> list[Any]:
    """The job's channels for the SDK."""
    return [InputData(channel_name=name, data_source=uri) for name, uri in job.channels.items()]
