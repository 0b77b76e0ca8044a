"""What `cloud train` and `cloud tune` ask of AWS, and what they refuse before they do."""

from __future__ import annotations

import json

import pytest

from tests.integration.jobs.conftest import QUICK, launched, needs_sdk
from tests.training.cloud.strict import check_request
from training.cloud.jobs.measures import definitions
from training.cloud.jobs.rehearsal import Rehearsal

pytestmark = [pytest.mark.aws, needs_sdk]


def test_the_same_name_again_starts_no_second_job(cloud, aws, data):
    launched(cloud, aws, data, "garment-again", *QUICK)
    _, said = cloud(
        "train", "--name", "garment-again", "--data", "s3://shop/data/garment-again",
        "--role", "GarmentTraining", *QUICK,
    )  # fmt: skip
    assert "garment-again is there already; no job is started" in said
    assert "artifact: s3://shop/jobs/garment-again/output/model.tar.gz" in said


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--data", "s3://shop/none"], "there is nothing below s3://shop/none (--data none): up"),
        (["--data", "s3://nowhere/none"], "looking at s3://nowhere"),
        (["--data", "s3://shop/x", "--role", "Nobody"], "the role Nobody: there is no such role"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_nothing_started(cloud, aws, arguments, problem):
    given = arguments if "--role" in arguments else [*arguments, "--role", "GarmentTraining"]
    before = aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    status, said = cloud("train", *given, "--yes")
    assert status == 2
    assert problem in said
    assert "Traceback" not in said
    assert aws.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == before


ROLE = "arn:aws:iam::123456789012:role/GarmentTraining"


def rehearsed(cloud, monkeypatch, command: str, *flags: str) -> tuple[list, str]:
    """The requests of a dry run, with AWS out of reach."""
    seen: list = []
    show = Rehearsal.show

    def keep(rehearsal: Rehearsal) -> None:
        seen.extend(rehearsal.requests)
        show(rehearsal)

    monkeypatch.setattr(Rehearsal, "show", keep)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    given = ["--data", "s3://shop/data/home", "--role", ROLE, "--dry-run", *flags]
    status, said = cloud(command, *given)
    assert status == 0, said
    return seen, said


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--spot", "--instances", "2", "--tag", "team=shop", "--profile", "--", "--mix=cutmix"],
        ["--image", "1.dkr.ecr.eu-west-1.amazonaws.com/mine:1", "--output", "s3://other/x"],
    ],
)
def test_the_exact_request_of_a_job_is_shown_and_aws_would_take_it(cloud, monkeypatch, flags):
    requests, said = rehearsed(cloud, monkeypatch, "train", "--name", "garment-1", *flags)

    for service, operation, parameters in requests:
        if operation != "PutObject":  # its body is a stream
            check_request(service, operation, parameters)
    service, operation, request = requests[-1]
    assert (service, operation) == ("sagemaker", "CreateTrainingJob")
    assert json.loads(said[said.index("{") :]) == request
    assert {call.operation for call in requests[:-1]} == {"PutObject"}
    assert request["TrainingJobName"] == "garment-1"
    assert request["AlgorithmSpecification"]["MetricDefinitions"] == definitions()
    if "--spot" in flags:
        assert request["StoppingCondition"]["MaxWaitTimeInSeconds"] == 2 * 4 * 3600
        assert request["ResourceConfig"]["InstanceCount"] == 2
        assert request["Tags"] == [{"Key": "team", "Value": "shop"}]
        assert request["HyperParameters"]["profile"] == "/opt/ml/output/data/profile"


@pytest.mark.parametrize("strategy", ["Bayesian", "Hyperband"])
def test_the_exact_request_of_a_tuning_is_shown_and_aws_would_take_it(cloud, monkeypatch, strategy):
    flags = ["--name", "garment-1", "--strategy", strategy, "--epochs", "9", "--batch-size", "64"]
    requests, said = rehearsed(cloud, monkeypatch, "tune", *flags)

    service, operation, request = requests[-1]
    assert operation == "CreateHyperParameterTuningJob"
    check_request(service, operation, request)
    assert json.loads(said[said.index("{") :]) == request
    config = request["HyperParameterTuningJobConfig"]
    assert config["Strategy"] == strategy
    ranges = config["ParameterRanges"]["ContinuousParameterRanges"]
    assert [item["Name"] for item in ranges] == ["learning-rate", "weight-decay", "augment"]
    assert not config["ParameterRanges"].get("CategoricalParameterRanges")
    definition = request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"]["batch-size"] == "64"
    assert "CheckpointConfig" not in definition
