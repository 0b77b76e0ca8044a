"""Following a training job: its states, its log, its end."""

import time
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from tests.training.cloud.conftest import REGION
from training.cloud.jobs import watch

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "garment-1"


def description(status: str, *states: str, **more: object) -> dict:
    """What AWS answers; the stub checks it against the model of the service."""
    return {
        "TrainingJobName": NAME,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{NAME}",
        "TrainingJobStatus": status,
        "SecondaryStatus": states[-1] if states else "Starting",
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://shop/jobs/{NAME}/output/model.tar.gz"},
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.xlarge",
            "InstanceCount": 2,
            "VolumeSizeInGB": 50,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "CreationTime": NOW,
        "SecondaryStatusTransitions": [
            {"Status": state, "StartTime": NOW, "StatusMessage": f"now {state}"} for state in states
        ],
    } | more


@pytest.fixture
def sagemaker(aws):
    return boto3.client("sagemaker", region_name=REGION)


@pytest.fixture
def logs(aws):
    """CloudWatch Logs, with a function to write lines of a container."""
    client = boto3.client("logs", region_name=REGION)
    client.create_log_group(logGroupName=watch.LOG_GROUP)

    def write(stream: str, *lines: str) -> None:
        known = client.describe_log_streams(logGroupName=watch.LOG_GROUP)["logStreams"]
        if stream not in [found["logStreamName"] for found in known]:
            client.create_log_stream(logGroupName=watch.LOG_GROUP, logStreamName=stream)
        at = int(time.time() * 1000)
        client.put_log_events(
            logGroupName=watch.LOG_GROUP,
            logStreamName=stream,
            logEvents=[{"timestamp": at, "message": line} for line in lines],
        )

    client.write = write
    return client


def test_states_and_lines_are_told_once_until_the_end(sagemaker, logs, capsys):
    logs.write(f"{NAME}/algo-1-1700000000", "one", "two")
    answers = [
        description("InProgress", "Starting"),
        description("InProgress", "Starting", "Training"),
        description("Completed", "Starting", "Training", "Completed"),
    ]
    with Stubber(sagemaker) as stub:
        for answer in answers:
            stub.add_response("describe_training_job", answer, {"TrainingJobName": NAME})
        assert watch.follow(sagemaker, watch.Log(logs, NAME), seconds=0) == answers[-1]

    assert capsys.readouterr().out.splitlines() == [
        "-- Starting: now Starting",
        "one",
        "two",
        "-- Training: now Training",
        "-- Completed: now Completed",
    ]


def test_lines_of_several_instances_tell_which(sagemaker, logs, capsys):
    logs.write(f"{NAME}/algo-1-1700000000", "one")
    log = watch.Log(logs, NAME)
    log.show()
    logs.write(f"{NAME}/algo-2-1700000000", "other")
    logs.write(f"{NAME}/algo-1-1700000000", "more")
    logs.write("garment-12/algo-1-1700000000", "another job")
    log.show()

    assert capsys.readouterr().out == "one\n[algo-1] more\n[algo-2] other\n"


def test_a_log_that_is_not_there_yet_is_no_error(aws, capsys):
    watch.Log(boto3.client("logs", region_name=REGION), NAME).show()
    assert capsys.readouterr() == ("", "")


def test_a_log_that_may_not_be_read_is_told_once(logs, capsys):
    with Stubber(logs) as stub:
        for _ in range(2):
            stub.add_client_error("describe_log_streams", "AccessDeniedException")
        log = watch.Log(logs, NAME)
        log.show()
        log.show()
    assert capsys.readouterr().err.count("the job's log may not be read") == 1


def test_a_job_that_is_not_there_is_none(sagemaker):
    assert watch.describe(sagemaker, "nothing") is None


def test_the_end_tells_the_artifact_the_accuracy_and_the_cost():
    metric = {"MetricName": "valid:accuracy", "Value": 0.9314, "Timestamp": NOW}
    status, text = watch.summary(
        description(
            "Completed",
            FinalMetricDataList=[metric],
            BillableTimeInSeconds=1200,
            TrainingTimeInSeconds=4000,
            EnableManagedSpotTraining=True,
            CheckpointConfig={"S3Uri": "s3://shop/jobs/garment-1/checkpoints"},
        )
    )
    assert status == 0
    assert text.splitlines() == [
        "garment-1: Completed",
        "artifact: s3://shop/jobs/garment-1/output/model.tar.gz",
        "accuracy on valid: 93.14%",
        "checkpoints: s3://shop/jobs/garment-1/checkpoints",
        "billable seconds: 1,200 on 2 x ml.g5.xlarge; spot saved 70% of 4,000",
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("CapacityError: Unable to provision", "again later, or another instance type"),
        ("AlgorithmError: CUDA out of memory", "a smaller --batch-size"),
        ("no data: give --data", "why: no data: give --data"),
    ],
)
def test_a_failed_job_tells_why_and_what_to_do(reason, told):
    status, text = watch.summary(description("Failed", FailureReason=reason))
    assert status == 1
    assert told in text
    assert "artifact" not in text


CHECKPOINTS = {"S3Uri": "s3://shop/jobs/garment-1/checkpoints"}


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ("Stopped", []),
        ("MaxRuntimeExceeded", ["why: it ran as long as --max-hours allows"]),
        (
            "MaxWaitTimeExceeded",
            [
                "why: it waited and ran as long as --max-wait-hours allows: AWS "
                "had too little spare capacity for --spot"
            ],
        ),
    ],
)
def test_a_stopped_job_has_no_artifact_and_tells_how_to_go_on(second, why):
    """AWS names the address of one in any case."""
    stopped = description("Stopped", second, CheckpointConfig=CHECKPOINTS)
    status, text = watch.summary(stopped)
    assert status == 1
    assert text.splitlines()[:-1] == [
        "garment-1: Stopped",
        *why,
        "no artifact: it was stopped before the end; the same flags with --checkpoints "
        "s3://shop/jobs/garment-1/checkpoints go on from there",
        "checkpoints: s3://shop/jobs/garment-1/checkpoints",
    ]
    _, text = watch.summary(description("Stopped", second))
    assert "no artifact: it was stopped before the end\n" in text
    assert "model.tar.gz" not in text
