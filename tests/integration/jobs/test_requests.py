"""What `cloud train` and `cloud tune` ask of AWS, and what they refuse before they do."""

from __future__ import annotations

import json
import re

import botocore.client
import pytest

from tests.integration.jobs.conftest import QUICK, launched, needs_sdk
from tests.training.cloud.price_list import product, running_price_list
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
    ("channel", "there", "problem"),
    [
        ("home", ["home/train.zip", "home/valid.zip"], "has no train and no valid, .*, but home/:"),
        ("home", ["train.zip", "prepared.json"], "no valid, .*, but prepared.json, train.zip: na"),
        ("home", ["train/Bag/1.png", "test/Bag/2.png"], "(--data home) has no valid, as a folder"),
        ("home", ["train/Bag/1.png", "train.zip", "valid.zip"], "has both train and train.zip: r"),
        ("train", [], "there is nothing below"),
        ("train", ["Bag/1.png"], "needs a 'valid' split, and --data train has none"),
        ("test", ["Bag/1.png"], "needs a 'train' split, and --data test has none"),
    ],
)
def test_data_that_cannot_be_trained_on_starts_no_job(
    cloud, aws, tmp_path, channel, there, problem
):
    """The script in the container would say so, minutes and money later."""
    for name in there:
        aws.client("s3").put_object(Bucket="shop", Key=f"{tmp_path.name}/{name}", Body=b"x")
    given = ["--data", f"{channel}=s3://shop/{tmp_path.name}", "--role", "GarmentTraining", "--yes"]
    for command in ("train", "tune"):
        status, said = cloud(command, *given)
        assert status == 2
        assert re.search(re.escape(problem).replace(r"\.\*", ".*"), said)


@pytest.mark.parametrize("command", ["train", "tune"])
def test_what_was_started_and_is_not_waited_for_tells_how_to_stop_it(cloud, aws, data, command):
    cloud("upload", data, "s3://shop/data/unwatched")
    _, said = cloud(
        command, "--name", "garment-unwatched", "--data", "stripes=s3://shop/data/unwatched",
        "--yes", "--no-wait", "--role", "GarmentTraining", "--epochs", "3",
    )  # fmt: skip
    assert "it costs money until it ends: the same command with --name garment-unwatched" in said


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
    monkeypatch.setattr("training.aws.CONFIG.retries", {"total_max_attempts": 1})
    given = ["--data", "s3://shop/data/home", "--role", ROLE, "--dry-run", *flags]
    status, said = cloud(command, *given)
    assert status == 0, said
    assert seen, "it was no dry run"
    return seen, said


@pytest.mark.parametrize(
    ("command", "flags", "price"),
    [
        ("train", ["--instances", "2"], "11.26 USD (2 x ml.g5.xlarge for at most 4 h, 1.408"),
        ("tune", ["--trials", "3"], "16.90 USD (3 jobs x 1 x ml.g5.xlarge for at most 4 h"),
    ],
)
def test_a_dry_run_tells_the_highest_price_and_only_reads(
    cloud, aws, data, monkeypatch, command, flags, price
):
    """The role by its name and the places from the stand-in, the price from a price list."""
    cloud("upload", data, "s3://shop/data/home")
    asked: list[str] = []
    send = botocore.client.BaseClient._make_api_call

    def note(client, operation: str, parameters: dict):
        asked.append(operation)
        return send(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    monkeypatch.setattr(Rehearsal, "show", lambda _: asked.append("--"))
    given = ["--data", "s3://shop/data/home", "--role", "GarmentTraining", "--dry-run", *flags]
    with running_price_list(monkeypatch) as listed:
        listed["products"] = [product("Training", "1.408")]
        status, said = cloud(command, *given)
    assert status == 0, said
    assert f"The highest possible price: {price}" in said
    assert asked[:4] == ["GetRole", "HeadBucket", "ListObjectsV2", "GetProducts"]
    last = "CreateTrainingJob" if command == "train" else "CreateHyperParameterTuningJob"
    # The rehearsal's own, which leave this process never.
    assert set(asked[4:]) == {"PutObject", last, "--"}


def test_a_dry_run_without_aws_says_what_it_could_not_ask(cloud, monkeypatch):
    flags = ["--name", "garment-1", "--role", "GarmentTraining"]
    requests, said = rehearsed(cloud, monkeypatch, "train", *flags)
    assert "zeros stand for the account: looking up the role GarmentTraining" in said
    assert "AWS cannot be asked whether the job would find its data: looking at s3://shop" in said
    assert "The highest possible price of 1 x ml.g5.xlarge for at most 4 h is not known" in said
    assert requests[-1].parameters["RoleArn"] == "arn:aws:iam::000000000000:role/GarmentTraining"


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


def test_a_range_of_batch_sizes_is_of_whole_numbers(cloud, monkeypatch):
    flags = ["--name", "garment-1", "--range", "batch-size=16:64"]
    requests, _ = rehearsed(cloud, monkeypatch, "tune", *flags)
    ranges = requests[-1][2]["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["IntegerParameterRanges"] == [
        {"Name": "batch-size", "MinValue": "16", "MaxValue": "64", "ScalingType": "Linear"}
    ]


@pytest.mark.parametrize(("strategy", "spot"), [("Bayesian", []), ("Hyperband", ["--spot"])])
def test_the_exact_request_of_a_tuning_is_shown_and_aws_would_take_it(
    cloud, monkeypatch, strategy, spot
):
    flags = ["--name", "garment-1", "--strategy", strategy, "--epochs", "9", "--batch-size", "64"]
    flags += spot
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
    assert bool(definition.get("EnableManagedSpotTraining")) == bool(spot)
    if not spot:
        assert "CheckpointConfig" not in definition
        return
    # All trials have one address: each its own folder, of the name that SageMaker gives it.
    assert definition["CheckpointConfig"] == {
        "S3Uri": "s3://shop/jobs/garment-1/checkpoints",
        "LocalPath": "/opt/ml/checkpoints",
    }
    folder = definition["StaticHyperParameters"]["checkpoint-dir"]
    assert folder == "/opt/ml/checkpoints/$TRAINING_JOB_NAME"
    assert definition["StoppingCondition"]["MaxWaitTimeInSeconds"] == 8 * 3600
