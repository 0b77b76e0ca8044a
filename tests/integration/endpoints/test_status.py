"""`cloud status`: what it tells of an endpoint."""

from __future__ import annotations

import re

import pytest

from tests.integration.endpoints.conftest import IMAGE

pytestmark = pytest.mark.aws


def test_status(cloud):
    cloud.deploy("1", "--instances", "2", "--max-instances", "3", "--invocations", "300")
    first = cloud.endpoint()["EndpointConfigName"]
    cloud.deploy("2", "--instances", "2")
    status, out, err = cloud.run("status", "garments")

    assert (status, err) == (0, "")
    lines = dict(re.findall(r"^(\w+(?: \w+)?)  +(.*)$", out, re.MULTILINE))
    assert lines["endpoint"].startswith("garments, InService, last changed 20")
    assert lines["config"] == cloud.endpoint()["EndpointConfigName"]
    assert lines["before it"] == first
    assert f"version 1.2.3, SHA-256 {cloud.artifact.sha256}" in out
    assert f"s3://shop/models/garments/1.2.3/model.tar.gz in {IMAGE}:2" in out
    assert lines["machines"] == "AllTraffic: 2 of 2 ml.c5.xlarge, weight 1"
    assert lines["last update"] == "canary of 1, 5 minutes, under garments-5xx, garments-latency"
    assert lines["alarms"].startswith("garments-5xx ")
    assert lines["scaling"] == "2 to 3 machines, 300 requests a minute for each"
    # The stand-in has no price list.
    assert lines["costs"].startswith("2 x ml.c5.xlarge by the hour; how much is not known: ")


def test_status_of_one_that_is_not_in_service(cloud):
    cloud.deploy("1")
    cloud.plan(looks=3, end="Undone", reason="An alarm went off.")
    assert cloud.deploy("2")[0] == 2
    assert "An alarm went off." in cloud.run("status", "garments")[1]
    cloud.plan(looks=9)
    cloud.aws.client("sagemaker").update_endpoint(
        EndpointName="garments", EndpointConfigName=cloud.left()[2]
    )
    status, out, _ = cloud.run("status", "garments")
    assert status == 1
    assert re.search(r"^coming +garments-1-2-3-", out, re.MULTILINE)


@pytest.mark.parametrize("command", ["status", "rollback"])
def test_there_is_no_such_endpoint(cloud, command):
    status, _, err = cloud.run(command, "trousers")
    assert status == 2
    assert "there is no endpoint trousers in this account and region" in err
