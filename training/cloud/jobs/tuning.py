"""Start a tuning with sagemaker's `HyperparameterTuner`. Importing this imports that SDK.

Tuning starts the trials by another way than a single job: AWS's container runs the
sagemaker-training toolkit, on one process. The tuner changes the trainer that it is given, so each
has its own.
"""

from __future__ import annotations

import io
import tarfile
import warnings
from pathlib import Path
from typing import Any

import boto3

from training.cloud.buckets import Location
from training.cloud.jobs import sdk
from training.cloud.jobs.job import Job
from training.cloud.jobs.measures import OBJECTIVE, definitions
from training.cloud.jobs.ranges import Range, Ranges

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sagemaker.core.parameter import (
        CategoricalParameter,
        ContinuousParameter,
        IntegerParameter,
    )
    from sagemaker.core.shapes import (
        HyperbandStrategyConfig,
        HyperParameterTuningJobStrategyConfig,
    )
    from sagemaker.train.tuner import HyperparameterTuner


def tune(
    job: Job,
    role: str,
    source: Path,
    ranges: Ranges,
    made: boto3.Session,
    *,
    strategy: str,
    trials: int,
    parallel: int,
    epochs: int,
) -> None:
    """Upload the source and start the tuning.

    Args:
        job: what each trial runs; its name is the tuning's.
        role: the role's ARN.
        source: what `write_source` wrote.
        ranges: what is tuned.
        made: the session that sends.
        strategy: `Bayesian` or `Hyperband`.
        trials: how many jobs, at most.
        parallel: how many at once.
        epochs: of a trial that is not stopped early.
    """
    # The SDK would put it at the root of the bucket, beside what the policies allow.
    packed = Location(job.output.bucket, f"{job.output.key}/{job.name}/sourcedir.tar.gz".strip("/"))
    made.client("s3").put_object(Bucket=packed.bucket, Key=packed.key, Body=pack(source))
    hyperband = strategy == "Hyperband"
    resources = HyperbandStrategyConfig(min_resource=1, max_resource=epochs)
    trainer = sdk.trainer_of(job, role, str(packed), made, one_process=True)
    tuner = HyperparameterTuner(
        trainer,
        objective_metric_name=OBJECTIVE,
        hyperparameter_ranges={name: _parameter(limits) for name, limits in ranges.items()},
        metric_definitions=definitions(),
        strategy=strategy,
        strategy_config=HyperParameterTuningJobStrategyConfig(hyperband_strategy_config=resources)
        if hyperband
        else None,
        max_jobs=trials,
        max_parallel_jobs=parallel,
        # Hyperband stops trials itself.
        early_stopping_type="Off" if hyperband else "Auto",
    )
    try:
        tuner.tune(inputs=sdk.inputs_of(job), job_name=job.name, wait=False)
    finally:
        sdk.clean(trainer)


def pack(source: Path) -> bytes:
    """A folder as tar.gz; the same files give the same bytes but for gzip's time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(source).as_posix())
    return packed.getvalue()


def _parameter(limits: Range | tuple[str, ...]) -> Any:
    if isinstance(limits, Range):
        scaling = "Logarithmic" if limits.logarithmic else "Linear"
        if limits.whole:
            return IntegerParameter(int(limits.low), int(limits.high), scaling)
        return ContinuousParameter(limits.low, limits.high, scaling)
    return CategoricalParameter(list(limits))
