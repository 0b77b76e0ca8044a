"""Each request of the commands for endpoints, against AWS's own model of its services."""

import json
import re

import pytest

from tests.training.cloud.strict import check_request
from training.cloud.endpoint.alarms import Limits, alarm_requests
from training.cloud.endpoint.guardrails import (
    Canary,
    Scaling,
    put_scaling_policy,
    register_scaling,
    scaling_target,
    update_endpoint,
)
from training.cloud.endpoint.requests import (
    Deployment,
    Instances,
    Serverless,
    create_endpoint,
    create_endpoint_config,
    create_model,
)

LONGEST = "a" * 40


def deployment(**changed) -> Deployment:
    values = {
        "endpoint": "garments",
        "version": "1.2.3",
        "sha256": "0" * 64,
        "model_url": "s3://shop/garments/1.2.3/model.tar.gz",
        "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/garments:1.2.3",
        "role": "arn:aws:iam::123456789012:role/GarmentEndpoint",
        "environment": {"GARMENT_THREADS": "2"},
        "hardware": Instances("ml.c5.xlarge", 2),
    }
    return Deployment(**values | changed)


@pytest.mark.parametrize("endpoint", ["g", "garments", LONGEST])
@pytest.mark.parametrize("version", ["1.2.3", "2026.11.25+Cafe_beta--x", "9" * 64, "V"])
@pytest.mark.parametrize("hardware", [Instances("ml.c5.xlarge", 2), Serverless(3072, 5)])
def test_what_deploy_creates(endpoint, version, hardware):
    made = deployment(endpoint=endpoint, version=version, hardware=hardware)
    check_request("sagemaker", "CreateModel", create_model(made))
    for before in (None, "garments-1-0-0-0a1b2c3d"):
        check_request("sagemaker", "CreateEndpointConfig", create_endpoint_config(made, before))
    check_request("sagemaker", "CreateEndpoint", create_endpoint(endpoint, made.config_name))
    assert made.config_name.startswith(f"{endpoint}-")


def test_names_follow_from_content():
    first = deployment()
    assert (first.model_name, first.config_name) == (
        deployment().model_name,
        deployment().config_name,
    )
    others = [
        deployment(sha256="1" * 64),
        deployment(image="another"),
        deployment(environment={}),
        deployment(role="arn:aws:iam::123456789012:role/Another"),
    ]
    assert len({one.model_name for one in [first, *others]}) == 5
    larger = deployment(hardware=Instances("ml.c5.2xlarge", 2))
    assert larger.model_name == first.model_name
    assert larger.config_name != first.config_name


@pytest.mark.parametrize(
    ("instances", "percent", "size"),
    [(None, 10, None), (1, 10, None), (2, 10, 1), (3, 50, 1), (20, 10, 2), (25, 50, 12)],
)
def test_an_update_and_the_size_of_its_canary(instances, percent, size):
    request = update_endpoint(
        "garments",
        "garments-1-2-3-0a1b2c3d",
        instances=instances,
        canary=Canary(percent, 600),
        alarms=["garments-5xx"],
        keep_count=True,
    )
    check_request("sagemaker", "UpdateEndpoint", request)
    if instances is None:
        assert "DeploymentConfig" not in request
        return
    policy = request["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    routing = policy["TrafficRoutingConfiguration"]
    assert routing.get("CanarySize", {}).get("Value") == size
    assert routing["Type"] == ("CANARY" if size else "ALL_AT_ONCE")
    assert routing["WaitIntervalInSeconds"] == policy["TerminationWaitInSeconds"] == 600


def test_an_update_at_once_has_no_guards():
    request = update_endpoint(
        "garments", "c", instances=4, canary=None, alarms=[], keep_count=False
    )
    check_request("sagemaker", "UpdateEndpoint", request)
    assert "AutoRollbackConfiguration" not in request["DeploymentConfig"]


def test_alarms():
    requests = alarm_requests(LONGEST, Limits(error_share=0.02, latency_ms=300))
    for request in requests:
        check_request("cloudwatch", "PutMetricAlarm", request)
    assert [request["Threshold"] for request in requests] == [0.02, 300_000]


def test_scaling():
    service = "application-autoscaling"
    scaling = Scaling(1, 4, 300.0)
    check_request(service, "RegisterScalableTarget", register_scaling(LONGEST, scaling))
    check_request(service, "PutScalingPolicy", put_scaling_policy(LONGEST, scaling))
    check_request(service, "DeregisterScalableTarget", scaling_target(LONGEST))


IMAGE = ["--image", "garments:1", "--role", "GarmentEndpoint"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy", "garments", "s3://shop/garments/1.2.3/", *IMAGE],
        ["deploy", "garments", "s3://shop/m.tar.gz", *IMAGE, "--serverless"],
        [
            *["deploy", LONGEST, "s3://shop/m.tar.gz", *IMAGE, "--instances", "2"],
            *["--max-instances", "4", "--invocations", "300", "--env", "GARMENT_THREADS=2"],
        ],
        ["status", LONGEST],
        ["rollback", "garments"],
        ["rollback", LONGEST, "--to", "garments-1-0-0-0a1b2c3d", "--at-once"],
        ["delete", LONGEST],
        ["label", "s3://shop/photos", "s3://shop/labels", "--endpoint", LONGEST],
        ["label", "s3://shop", "s3://shop/labels", "--model-name", "m" * 63],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_a_dry_run_prints_without_aws_is_what_aws_takes(cloud, monkeypatch, arguments):
    """No credentials and no region, as on somebody's laptop: nothing is asked, all is shown."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    status, out, err = cloud(*arguments, "--dry-run")

    assert (status, err) == (0, "")
    requests = re.findall(
        r"^([a-z0-9-]+) ([A-Z]\w+)\n(\{\n.*?\n\})$", out, re.DOTALL | re.MULTILINE
    )
    assert requests
    for service, operation, text in requests:
        check_request(service, operation, json.loads(text))
