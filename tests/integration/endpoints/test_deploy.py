"""`cloud deploy`, from a first endpoint to what goes wrong."""

from __future__ import annotations

import re

import pytest

from tests.app.conftest import write_artifact
from tests.integration.endpoints.conftest import IMAGE, MODEL, ROLE, interrupt, shown
from tests.training.cloud.terminal import Terminal
from training.__main__ import main

pytestmark = pytest.mark.aws


def test_deploy_and_again(cloud):
    cloud.plan(looks=2)
    status, out, err = cloud.deploy("1", "--max-instances", "3", "--invocations", "300")

    assert (status, err) == (0, "")
    assert "garments: Creating" in out
    assert "garments: InService" in out
    assert "3 golden images answered as they should" in out
    assert "1 to 3 machines, 300 requests a minute for each" in out
    made = sorted(cloud.left())
    assert [re.sub("[0-9a-f]{8}$", "HASH", name) for name in made] == [
        "endpoint/garments/variant/AllTraffic",
        "garments",
        "garments-1-2-3-HASH",
        "garments-1-2-3-HASH",
        "garments-5xx",
        "garments-latency",
    ]
    before = cloud.endpoint()

    status, out, _ = cloud.deploy("1", "--max-instances", "3", "--invocations", "300", "--dry-run")
    assert (status, shown(out)) == (0, ["InvokeEndpoint"] * 3)

    status, out, _ = cloud.deploy("1", "--max-instances", "3", "--invocations", "300")
    assert status == 0
    assert "is InService with garments-1-2-3" in out
    assert sorted(cloud.left()) == made
    assert cloud.endpoint()["LastModifiedTime"] == before["LastModifiedTime"]


def test_deploy_asks_first(cloud, monkeypatch):
    arguments = ["deploy", "garments", MODEL, "--image", f"{IMAGE}:1", "--role", ROLE]
    status, _, err = cloud.run(*arguments)
    assert (status, "give --yes" in err) == (2, True)
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    status, out, _ = cloud.run(*arguments)
    assert status == 1
    assert "costs, until it is deleted: 1 x ml.c5.xlarge by the hour" in out
    assert "Put 1.2.3 into service as garments? [y/N] nothing was changed" in out
    assert cloud.left() == []


def test_more_machines_than_there_are_are_asked_for_too(cloud, monkeypatch):
    cloud.deploy("1")
    arguments = ["deploy", "garments", MODEL, "--image", f"{IMAGE}:1", "--role", ROLE]
    scaling = ["--max-instances", "40", "--invocations", "600"]
    status, _, err = cloud.run(*arguments, *scaling)
    assert (status, "give --yes" in err) == (2, True)
    for answer, said, scales in (("n", 1, False), ("y", 0, True)):
        monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
        status, out, _ = cloud.run(*arguments, *scaling)
        assert status == said
        assert "1 x ml.c5.xlarge, up to 40 with the load, by the hour" in out
        question = "Scale garments with the load: 1 to 40 machines, 600 requests a minute for each?"
        assert question in out
        assert ("nothing was changed" in out) != scales
        assert ("endpoint/garments/variant/AllTraffic" in cloud.left()) == scales
    monkeypatch.setattr("sys.stdin", Terminal(""))
    for same in ([], scaling):
        status, out, _ = cloud.run(*arguments, *same)
        assert (status, "?" in out) == (0, False), "nobody is asked where nothing changes"


def test_a_dry_run_makes_nothing(cloud):
    status, out, _ = cloud.deploy("1", "--dry-run", "--max-instances", "3", "--invocations", "9")

    assert status == 0
    assert shown(out) == [
        "CreateModel",
        "CreateEndpointConfig",
        "PutMetricAlarm",
        "PutMetricAlarm",
        "CreateEndpoint",
        "RegisterScalableTarget",
        "PutScalingPolicy",
        *["InvokeEndpoint"] * 3,
    ]
    assert cloud.artifact.sha256 in out
    assert cloud.left() == []


def test_an_update_is_a_canary_under_alarms(cloud):
    assert cloud.deploy("1", "--instances", "4")[0] == 0
    first = cloud.endpoint()["EndpointConfigName"]
    cloud.plan(looks=1)
    status, out, _ = cloud.deploy("2", "--instances", "4", "--canary-percent", "50")

    assert status == 0
    assert "garments: Updating" in out
    endpoint = cloud.endpoint()
    assert endpoint["EndpointConfigName"] != first
    assert endpoint["LastDeploymentConfig"] == {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 2},
                "WaitIntervalInSeconds": 300,
            },
            "TerminationWaitInSeconds": 300,
        },
        "AutoRollbackConfiguration": {
            "Alarms": [{"AlarmName": "garments-5xx"}, {"AlarmName": "garments-latency"}]
        },
    }


def test_a_canary_that_no_alarm_would_see_fail_is_refused(cloud):
    """Before anything is made; and the machines that scaling has set are what counts."""
    cloud.deploy("1", "--instances", "8", "--max-instances", "9", "--invocations", "300")
    there = cloud.left()
    few = ["--instances", "8", "--canary-percent", "20", "--alarm-errors", "0.2"]
    for more in ([], ["--dry-run"]):
        status, out, err = cloud.deploy("2", *few, *more)
        assert status == 2
        assert "with --canary-percent 20, the canary is 1 of 8 machines and gets 12.5% of" in err
        assert "goes off when more than 20.0% fail" in err
        assert "Raise --canary-percent, or lower --alarm-errors" in err
        assert (shown(out), cloud.left()) == ([], there)
    assert cloud.deploy("2", *few, "--at-once")[0] == 0
    fewer = ["--instances", "2", *few[2:]]
    status, _, err = cloud.deploy("3", *fewer)
    assert (status, "1 of 8 machines" in err) == (2, True)


def test_one_machine_and_an_alarm_that_is_on(cloud):
    cloud.deploy("1")
    cloud.aws.client("cloudwatch").set_alarm_state(
        AlarmName="garments-5xx", StateValue="ALARM", StateReason="a test"
    )
    status, out, _ = cloud.deploy("2")

    assert status == 0
    assert "one machine is too few for a canary" in out
    assert "the alarm garments-5xx is on already" in out
    last = cloud.endpoint()["LastDeploymentConfig"]
    routing = last["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert routing["Type"] == "ALL_AT_ONCE"
    assert last["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "garments-latency"}]}


def test_an_update_that_was_undone(cloud):
    cloud.deploy("1")
    cloud.plan(looks=1, end="Undone", reason="Alarm garments-5xx tripped during deployment.")
    status, _, err = cloud.deploy("2")

    assert status == 2
    assert "was undone: garments has garments-1-2-3-" in err
    assert "Alarm garments-5xx tripped" in err


def test_scaling_comes_off_for_another_kind_of_machine(cloud):
    scaling = ["--max-instances", "3", "--invocations", "300"]
    cloud.deploy("1", "--instances", "2", *scaling)
    there = cloud.left()
    status, _, err = cloud.deploy("1", "--instances", "2", "--instance-type", "ml.c5.2xlarge")
    assert status == 2
    assert "say how it shall scale there" in err
    assert cloud.left() == there

    status, out, _ = cloud.deploy(
        "1", "--instances", "2", "--instance-type", "ml.c5.2xlarge", *scaling
    )
    assert status == 0
    assert "endpoint/garments/variant/AllTraffic" in cloud.left()
    assert "2 to 3 machines" in out

    cloud.deploy("2", "--instances", "2", "--instance-type", "ml.c5.2xlarge")
    assert "endpoint/garments/variant/AllTraffic" in cloud.left()


def test_scaling_is_back_when_the_update_to_another_kind_is_undone(cloud):
    assert cloud.deploy("1", "--max-instances", "3", "--invocations", "300")[0] == 0
    cloud.plan(looks=1, end="Undone", reason="Alarm garments-5xx tripped during deployment.")
    other = ["--instance-type", "ml.c5.2xlarge", "--max-instances", "9", "--invocations", "50"]
    status, out, err = cloud.deploy("2", *other)
    assert (status, "was undone" in err) == (2, True)
    assert "scaling: 1 to 3 machines, 300 requests a minute for each" in out
    assert "endpoint/garments/variant/AllTraffic" in cloud.left()


def test_scaling_that_an_interrupted_update_took_off_is_set_by_the_next(cloud, monkeypatch):
    assert cloud.deploy("1", "--max-instances", "3", "--invocations", "300")[0] == 0
    cloud.plan(looks=10_000)
    other = ["--instance-type", "ml.c5.2xlarge"]
    with monkeypatch.context() as patch:
        patch.setattr("training.cloud.waiting.sleep", interrupt)
        status, _, err = cloud.deploy("2", *other, "--max-instances", "9", "--invocations", "50")
    assert (status, "to set the scaling and to check the answers" in err) == (2, True)
    assert "endpoint/garments/variant/AllTraffic" not in cloud.left()

    cloud.end_it()
    status, out, _ = cloud.deploy("2", *other)
    assert status == 0
    assert "scaling: 1 to 3 machines, 300 requests a minute for each" in out


def test_an_endpoint_that_is_being_deleted_gets_no_new_parts(cloud):
    cloud.deploy("1")
    cloud.plan(looks=10_000)
    cloud.aws.client("sagemaker").delete_endpoint(EndpointName="garments")
    cloud.aws.client("cloudwatch").delete_alarms(AlarmNames=["garments-5xx", "garments-latency"])
    there = cloud.left()
    status, _, err = cloud.deploy("1")
    assert (status, "garments is being deleted; run this again when it is gone" in err) == (2, True)
    assert cloud.left() == there


def test_serverless(cloud):
    status, _, err = cloud.deploy("1", "--serverless", "--max-instances", "3")
    assert (status, "serverless scales by itself" in err) == (2, True)
    assert cloud.deploy("1", "--serverless", "--memory", "2048")[0] == 0
    status, _, _ = cloud.deploy("2", "--serverless", "--memory", "2048")
    assert status == 0
    assert cloud.endpoint()["ProductionVariants"][0]["CurrentServerlessConfig"] == {
        "MemorySizeInMB": 2048,
        "MaxConcurrency": 5,
    }
    assert "LastDeploymentConfig" not in cloud.endpoint()


def test_an_endpoint_of_machines_becomes_no_serverless_one(cloud):
    """AWS refuses that; before it does, nothing is made and the scaling stays."""
    cloud.deploy("1", "--max-instances", "3", "--invocations", "300")
    there = cloud.left()
    for more in ([], ["--dry-run"]):
        status, out, err = cloud.deploy("1", "--serverless", *more)
        assert status == 2
        assert "AWS turns no endpoint of machines into a serverless one: delete it" in err
        assert "deploy under another name" in err
        assert (shown(out), cloud.left()) == ([], there)


def test_the_stand_in_refuses_it_as_aws_does(cloud):
    cloud.deploy("1")
    sagemaker, model = cloud.aws.client("sagemaker"), cloud.left()[2]
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    variant = {"VariantName": "AllTraffic", "ModelName": model, "ServerlessConfig": serverless}
    sagemaker.create_endpoint_config(EndpointConfigName="other", ProductionVariants=[variant])
    with pytest.raises(sagemaker.exceptions.ClientError, match="cannot be updated to a serverless"):
        sagemaker.update_endpoint(EndpointName="garments", EndpointConfigName="other")


def test_what_scaling_may_cost_is_told(cloud):
    """Of the stand-in, which has no price list, the machines."""
    told = "costs, until it is deleted: 1 x ml.c5.xlarge, up to 3 with the load, by the hour"
    _, out, _ = cloud.deploy("1", "--max-instances", "3", "--invocations", "300")
    assert told in out
    _, out, _ = cloud.deploy("2")
    assert told in out, "the scaling that is there already"


def test_another_model_answers(cloud, tmp_path, capsys):
    """The artifact says one thing, the endpoint another."""
    other = write_artifact(tmp_path / "model.pt", temperature=0.5, thin=True)
    assert main(["publish", str(other.path), "s3://shop/other", "--tar"]) == 0
    status, out, _ = cloud.deploy("1", model="s3://shop/other/1.2.3/model.tar.gz")

    assert status == 1
    assert "golden image 0: answered by another model" in out
    assert "costs money until it is deleted: python -m training cloud delete garments" in out

    assert cloud.deploy("2")[0] == 0
    status, out, _ = cloud.deploy("1", model="s3://shop/other/1.2.3/model.tar.gz")
    assert (status, "Back to what was there: python -m training cloud rollback" in out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--role", "Nobody"], "there is no such role"),
        (["--role", "arn:aws:iam::123456789012:role/Nobody"], "SageMaker may not use the role"),
        (["--instance-type", "ml.p3.16xlarge"], "a quota of this account is reached"),
        (["--max-instances", "2"], "needs --invocations"),
        (["--min-instances", "4", "--invocations", "600"], "--min-instances needs --max-instances"),
        (["--invocations", "600"], "--invocations needs --max-instances"),
        (["--serverless", "--invocations", "600"], "serverless scales by itself: leave out --inv"),
        (["--canary-minutes", "2"], "--canary-minutes 2 may be over before an alarm goes off"),
        (
            ["--instances", "3", "--max-instances", "2", "--invocations", "1"],
            "less than the 3 that there are at least",
        ),
    ],
)
def test_refusals_in_plain_words(cloud, arguments, said):
    status, _, err = cloud.deploy("1", *arguments)
    assert status == 2
    assert said in err


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("s3://shop/models/garments/9.9.9/", "publish the release with --tar"),
        ("s3://nowhere/model.tar.gz", "there is no such bucket"),
        ("s3://shop/models/garments/1.2.3/model.pt.tar.gz", "is not there"),
        ("models/garments", "no S3 address"),
    ],
)
def test_a_model_that_is_not_there(cloud, model, said):
    status, _, err = cloud.deploy("1", model=model)
    assert status == 2
    assert said in err


def test_a_failed_endpoint_tells_why(cloud):
    cloud.plan(
        looks=1,
        end="Failed",
        reason="The primary container for production variant AllTraffic did not pass the ping "
        "health check. Please check CloudWatch logs for this endpoint.",
    )
    status, _, err = cloud.deploy("1")
    assert status == 2
    assert "garments is Failed. AWS says: The primary container" in err
    assert "did not answer /ping in time" in err
    assert "/aws/sagemaker/Endpoints/garments" in err

    status, _, err = cloud.deploy("2")
    assert status == 2
    assert "cloud delete garments" in err


def test_a_deployment_that_takes_too_long_is_taken_up_again(cloud, monkeypatch):
    cloud.deploy("1")
    cloud.plan(looks=10_000)
    monkeypatch.setattr("training.cloud.waiting.sleep", lambda _: None)
    clock = iter(range(0, 1000, 50))
    monkeypatch.setattr("training.cloud.waiting.monotonic", lambda: next(clock))
    status, _, err = cloud.deploy("2", "--timeout", "2")
    assert status == 2
    assert "not done after 2:30; AWS goes on with it" in err
    assert "check the answers, with the same command" in err

    status, _, err = cloud.deploy("3")
    assert status == 2
    assert "garments is Updating, to garments-1-2-3-" in err


def test_a_model_in_another_region(cloud):
    elsewhere = {"LocationConstraint": "eu-west-1"}
    cloud.aws.client("s3").create_bucket(Bucket="far", CreateBucketConfiguration=elsewhere)
    assert main(["publish", str(cloud.artifact.path), "s3://far/garments", "--tar"]) == 0
    status, _, err = cloud.deploy("1", model="s3://far/garments/1.2.3/")
    assert status == 2
    assert "s3://far lies in eu-west-1" in err
