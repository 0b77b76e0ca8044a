"""`cloud delete`: all of it, and nothing else."""

from __future__ import annotations

import pytest

from tests.integration.endpoints.conftest import IMAGE, ROLE, shown
from tests.training.cloud.terminal import Terminal

pytestmark = pytest.mark.aws


def test_delete_all_of_it_twice(cloud):
    cloud.deploy("1", "--max-instances", "3", "--invocations", "300")
    cloud.deploy("2")
    cloud.aws.client("sagemaker").create_model(
        ModelName="garments-of-others",
        ExecutionRoleArn=cloud.aws.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"],
    )
    there = cloud.left()
    status, out, _ = cloud.run("delete", "garments", "--dry-run")
    assert (status, cloud.left()) == (0, there)
    assert shown(out) == [
        "DeregisterScalableTarget",
        "DeleteEndpoint",
        "DeleteAlarms",
        *["DeleteEndpointConfig"] * 2,
        *["DeleteModel"] * 2,
    ]

    status, out, err = cloud.run("delete", "garments", "--yes")
    assert (status, err) == (0, "")
    assert cloud.left() == ["garments-of-others"]
    assert "the model's file on S3 (s3://shop/models/garments/1.2.3/model.tar.gz)" in out
    assert f"the image in ECR ({IMAGE}:1, {IMAGE}:2)" in out

    status, out, _ = cloud.run("delete", "garments", "--yes")
    assert (status, out) == (0, "there is nothing of garments in this account and region\n")


def test_delete_goes_on_where_it_stopped(cloud):
    cloud.deploy("1")
    cloud.aws.client("sagemaker").delete_endpoint(EndpointName="garments")
    assert cloud.run("delete", "garments", "--yes")[0] == 0
    assert cloud.left() == []


def test_delete_asks_and_waits_for_an_update(cloud, monkeypatch):
    cloud.deploy("1")
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    assert cloud.run("delete", "garments")[0] == 1
    cloud.plan(looks=10_000)
    monkeypatch.setattr("training.cloud.waiting.sleep", lambda _: None)
    clock = iter(range(0, 100_000, 1000))
    monkeypatch.setattr("training.cloud.waiting.monotonic", lambda: next(clock))
    cloud.deploy("2", "--timeout", "1")
    status, _, err = cloud.run("delete", "garments", "--yes")
    assert status == 2
    assert "garments is Updating, and AWS deletes none that is" in err
    assert cloud.endpoint()["EndpointStatus"] == "Updating"
