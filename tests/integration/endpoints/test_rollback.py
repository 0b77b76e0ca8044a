"""`cloud rollback`: to which config, and how it is known."""

from __future__ import annotations

import pytest

from tests.integration.endpoints.conftest import interrupt, shown
from tests.training.cloud.terminal import Terminal

pytestmark = pytest.mark.aws


def test_rollback_by_the_tag_and_further(cloud):
    names = []
    for tag in ("1", "2", "3"):
        assert cloud.deploy(tag, "--instances", "2")[0] == 0
        names.append(cloud.endpoint()["EndpointConfigName"])
    status, out, _ = cloud.run("rollback", "garments", "--dry-run")
    assert (status, shown(out)) == (0, ["UpdateEndpoint", *["InvokeEndpoint"] * 3])

    status, out, _ = cloud.run("rollback", "garments", "--yes")
    assert status == 0
    assert f"from {names[2]} to {names[1]}, by the tag that deploy left" in out
    assert "3 golden images answered" in out
    assert cloud.endpoint()["EndpointConfigName"] == names[1]
    routing = cloud.endpoint()["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert routing["TrafficRoutingConfiguration"]["Type"] == "CANARY"

    assert cloud.run("rollback", "garments", "--yes")[0] == 0
    assert cloud.endpoint()["EndpointConfigName"] == names[0]
    status, _, err = cloud.run("rollback", "garments", "--yes")
    assert status == 2
    assert f"had no config before {names[0]} that is known" in err
    assert names[2] in err


def test_rollback_to_a_config_can_be_repeated(cloud):
    cloud.deploy("1")
    first = cloud.endpoint()["EndpointConfigName"]
    cloud.deploy("2")
    for _ in range(2):
        status, out, _ = cloud.run("rollback", "garments", "--to", first, "--yes", "--at-once")
        assert status == 0
        assert cloud.endpoint()["EndpointConfigName"] == first
    assert "is InService with" in out


def test_rollback_without_a_tag_goes_by_age(cloud):
    cloud.deploy("1")
    first = cloud.endpoint()["EndpointConfigName"]
    cloud.deploy("2")
    sagemaker = cloud.aws.client("sagemaker")
    current = cloud.endpoint()["EndpointConfigName"]
    arn = sagemaker.describe_endpoint_config(EndpointConfigName=current)["EndpointConfigArn"]
    sagemaker.delete_tags(
        ResourceArn=arn[0] if isinstance(arn, list) else arn, TagKeys=["garment-classifier:before"]
    )
    status, out, _ = cloud.run("rollback", "garments", "--yes")
    assert status == 0
    assert f"to {first}, the newest that is older" in out


def test_rollback_asks(cloud, monkeypatch):
    cloud.deploy("1")
    cloud.deploy("2")
    current = cloud.endpoint()["EndpointConfigName"]
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    status, out, _ = cloud.run("rollback", "garments")
    assert status == 1
    assert "costs, until it is deleted: 1 x ml.c5.xlarge by the hour" in out
    assert "nothing was changed" in out
    assert cloud.endpoint()["EndpointConfigName"] == current


def test_rollback_tells_of_a_canary_that_no_alarm_would_see_fail(cloud):
    """But goes on: `deploy` has set the limit, and going back should not wait for it."""
    lax = ["--instances", "4", "--alarm-errors", "0.3", "--canary-percent", "50"]
    cloud.deploy("1", *lax)
    cloud.deploy("2", *lax)
    status, out, _ = cloud.run("rollback", "garments", "--yes", "--canary-percent", "50")
    assert (status, "not see the canary fail" in out) == (0, False)
    cloud.deploy("2", *lax)
    status, out, _ = cloud.run("rollback", "garments", "--yes")
    assert status == 0
    assert "the canary is 1 of 4 machines and gets 25.0% of the requests" in out
    assert "goes off when more than 30.0% fail, so it would not see the canary fail" in out


def test_rollback_to_what_is_gone(cloud):
    cloud.deploy("1")
    first = cloud.endpoint()["EndpointConfigName"]
    cloud.deploy("2")
    cloud.aws.client("sagemaker").delete_endpoint_config(EndpointConfigName=first)
    status, _, err = cloud.run("rollback", "garments", "--yes")
    assert status == 2
    assert f"cannot go back to {first}: it is no longer there" in err


def test_rollback_to_serverless_is_refused_before_anything_is_changed(cloud):
    cloud.deploy("1", "--serverless")
    first = cloud.endpoint()["EndpointConfigName"]
    assert cloud.deploy("2", "--max-instances", "3", "--invocations", "300")[0] == 0
    current, there = cloud.endpoint()["EndpointConfigName"], cloud.left()
    for more in ([], ["--dry-run"]):
        status, out, err = cloud.run("rollback", "garments", "--to", first, "--yes", *more)
        assert status == 2
        assert "AWS turns no endpoint of machines into a serverless one: delete it" in err
        assert "or name a config of machines with --to" in err
        assert shown(out) == []
        assert (cloud.endpoint()["EndpointConfigName"], cloud.left()) == (current, there)


def test_rollback_over_a_change_of_machines_keeps_the_scaling(cloud):
    scaling = ["--max-instances", "3", "--invocations", "300"]
    cloud.deploy("1", *scaling)
    cloud.deploy("1", "--instance-type", "ml.c5.2xlarge", *scaling)
    status, out, _ = cloud.run("rollback", "garments", "--yes")
    assert status == 0
    assert "1 x ml.c5.xlarge, up to 3 with the load, by the hour" in out
    assert "scaling: 1 to 3 machines, 300 requests a minute for each" in out
    assert "endpoint/garments/variant/AllTraffic" in cloud.left()


def test_a_rollback_that_was_interrupted_is_ended_by_the_command_that_it_names(cloud, monkeypatch):
    scaling = ["--max-instances", "3", "--invocations", "300"]
    cloud.deploy("1")
    cloud.deploy("2")
    second = cloud.endpoint()["EndpointConfigName"]
    cloud.deploy("2", "--instance-type", "ml.c5.2xlarge", *scaling)
    cloud.plan(looks=10_000)
    with monkeypatch.context() as patch:
        patch.setattr("training.cloud.waiting.sleep", interrupt)
        status, _, err = cloud.run("rollback", "garments", "--yes")
    assert (status, "no longer waiting; AWS goes on with it" in err) == (2, True)
    again = f"rollback garments --to {second}"
    assert err.strip().endswith(f"python -m training cloud {again}")

    cloud.end_it()
    status, out, _ = cloud.run(*again.split(), "--yes")
    assert status == 0
    assert cloud.endpoint()["EndpointConfigName"] == second
    assert "scaling: 1 to 3 machines, 300 requests a minute for each" in out
    assert "3 golden images answered" in out
