"""Tuning: the ranges, the trials, the best; the request itself is in tests/integration/jobs."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from tests.training.cloud.conftest import REGION
from training.cloud import tune
from training.cloud.jobs.ranges import Range, ranges
from training.configuration import with_config
from training.errors import CloudError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "garment-tuning"


def test_the_usual_ranges_lie_around_what_train_takes_by_itself():
    assert ranges([], {}) == {
        "learning-rate": Range(0.01, 0.3, logarithmic=True),
        "batch-size": ("64", "128", "256"),
        "weight-decay": Range(1e-5, 5e-3, logarithmic=True),
        "augment": Range(0, 1, logarithmic=False),
    }
    assert ranges([], {"pretrained": "true"})["learning-rate"] == Range(0.001, 0.03, True)
    assert ranges([], {"optimizer": "adamw"})["learning-rate"] == Range(0.0002, 0.006, True)


def test_a_range_can_be_changed_and_what_is_fixed_is_not_tuned():
    found = ranges(["learning-rate=0.05:0.1", "batch-size=32,512"], {"augment": "0.5"})
    assert found["learning-rate"] == Range(0.05, 0.1, logarithmic=False)
    assert found["batch-size"] == ("32", "512")
    assert "augment" not in found
    assert ranges(["batch-size=16:64"], {})["batch-size"] == Range(16, 64, False, whole=True)


@pytest.mark.parametrize(
    ("text", "fixed", "problem"),
    [
        ("momentum=0:1", {}, "only learning-rate, batch-size, weight-decay, augment"),
        ("augment=1:0", {}, "LOW is not below HIGH"),
        ("augment=a:b", {}, "train would refuse this: .*'a' is not a number"),
        ("augment=0:0.5:1", {}, "write NAME=LOW:HIGH or NAME=A,B,C"),
        ("augment=0:5", {}, "train would refuse this: .*5 is not within 0 to 1"),
        ("batch-size=16.5:64", {}, "train would refuse this: .*'16.5' is not a number"),
        ("batch-size=64,many", {}, "train would refuse this: .*'many' is not a number"),
        ("weight-decay=0:100", {}, "train would refuse this: .*100 is not within 0 to 10"),
        ("batch-size=64", {}, "write NAME=LOW:HIGH or NAME=A,B,C"),
        ("augment=0:1", {"augment": "1"}, "it is fixed by --augment too"),
    ],
)
def test_a_range_that_cannot_be_is_told(text, fixed, problem):
    with pytest.raises(CloudError, match=problem):
        ranges([text], fixed)


def channel(name: str, address: str) -> dict:
    kind = {"S3DataType": "S3Prefix", "S3Uri": address}
    return {"ChannelName": name, "DataSource": {"S3DataSource": kind}}


def tuning(status: str, completed: int, running: int) -> dict:
    return {
        "HyperParameterTuningJobName": NAME,
        "HyperParameterTuningJobArn": f"arn:aws:sagemaker:{REGION}:1:hyper-parameter-tuning-job/x",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
        },
        "HyperParameterTuningJobStatus": status,
        "CreationTime": NOW,
        "TrainingJobStatusCounters": {"Completed": completed, "InProgress": running},
        "ObjectiveStatusCounters": {},
        "TrainingJobDefinition": {
            "StaticHyperParameters": {
                "epochs": "3",
                "mix": "cutmix",
                "start-from": "/opt/ml/input/data/start_from/model.pt",
                "sagemaker_program": "training/train.py",
                "_tuning_objective_metric": "valid:accuracy",
            },
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
            "RoleArn": "arn:aws:iam::123456789012:role/GarmentTraining",
            "InputDataConfig": [
                channel("home", "s3://shop/data/home"),
                channel("start_from", "s3://shop/base/model.pt"),
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://shop/jobs"},
            "StoppingCondition": {},
        },
    }


def summary(number: int, rate: str, accuracy: float | None, **more: object) -> dict:
    job = f"{NAME}-{number:03d}"
    metric = {"MetricName": "valid:accuracy", "Value": accuracy}
    return {
        "TrainingJobName": job,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{job}",
        "CreationTime": NOW,
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {"learning-rate": rate, "batch-size": '"128"'},
        **({"FinalHyperParameterTuningJobObjectiveMetric": metric} if accuracy else {}),
    } | more


def followed(tmp_path, *trials: dict) -> int:
    sagemaker = boto3.client("sagemaker", region_name=REGION)
    asked = {"HyperParameterTuningJobName": NAME}
    with Stubber(sagemaker) as stub:
        for answer in (
            tuning("InProgress", 0, 2),
            tuning("InProgress", 0, 2),
            tuning("Completed", 3, 0),
        ):
            stub.add_response("describe_hyper_parameter_tuning_job", answer, asked)
        stub.add_response(
            "list_training_jobs_for_hyper_parameter_tuning_job",
            {"TrainingJobSummaries": list(trials)},
            asked,
        )
        return tune.follow(sagemaker, NAME, tmp_path / "new/best.json", seconds=0)


def test_the_trials_are_told_as_a_table_and_the_best_is_a_config(aws, tmp_path, capsys):
    status = followed(
        tmp_path,
        summary(1, "0.0123456789", 0.81),
        summary(2, "0.1", None, TrainingJobStatus="Failed", FailureReason="no data"),
        summary(3, "0.05", 0.93),
    )
    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        "-- InProgress: 2 InProgress",
        "-- Completed: 3 Completed",
        "accuracy  batch-size  learning-rate  status     job",
        "93.00%    128         0.05           Completed  garment-tuning-003",
        "81.00%    128         0.01235        Completed  garment-tuning-001",
        "-         128         0.1            Failed     garment-tuning-002",
        "garment-tuning-002: no data",
        "best: garment-tuning-003, 93.00% on valid; python -m training train",
        f"    --config {tmp_path}/new/best.json --data DATA --output OUTPUT --start-from "
        "s3://shop/base/model.pt trains with its flags",
    ]
    assert json.loads((tmp_path / "new/best.json").read_text()) == {
        "epochs": 3,
        "mix": "cutmix",
        "learning-rate": 0.05,
        "batch-size": 128,
    }
    flags = with_config(["--config", str(tmp_path / "new/best.json")])
    assert flags == ["--epochs=3", "--mix=cutmix", "--learning-rate=0.05", "--batch-size=128"]


def test_a_tuning_without_any_accuracy_fails(aws, tmp_path, capsys):
    assert followed(tmp_path, summary(1, "0.1", None)) == 1
    assert "no trial has an accuracy" in capsys.readouterr().out


def test_a_tuning_that_is_not_there_is_none(aws):
    assert tune._describe(boto3.client("sagemaker", region_name=REGION), "nothing") is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--name", "garment-" + "x" * 30], "a tuning's has 32 characters at most"),
        (["--strategy", "Hyperband", "--epochs", "1"], "--epochs 2 or more"),
    ],
)
def test_what_cannot_be_is_told(aws, cloud, arguments, problem):
    given = ["--data", "s3://shop/data/home", "--role", "GarmentTraining", *arguments]
    status, _, told = cloud("tune", *given)
    assert status == 2
    assert problem in told
