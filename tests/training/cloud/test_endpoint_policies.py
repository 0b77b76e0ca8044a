"""The policies for endpoints allow what the commands do, by name where AWS permits names."""

import json
import re
from pathlib import Path

import pytest

CLOUD = Path(__file__).resolve().parents[3] / "training/cloud"
POLICIES = ["endpoint-role.json", "launch-endpoint.json", "proxy.json"]
COMMANDS = ["deploy", "status", "rollback", "delete", "label"]
NAMELESS = {
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "pricing:GetProducts",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListModels",
}
"""Actions for which AWS knows no resource but `*`."""


def statements(name: str) -> list[dict]:
    policy = json.loads((CLOUD / "policies" / name).read_text())
    assert policy["Version"] == "2012-10-17"
    return policy["Statement"]


@pytest.mark.parametrize("name", POLICIES)
def test_a_wildcard_stands_only_where_aws_permits_no_name(name):
    for statement in statements(name):
        assert not [action for action in statement["Action"] if "*" in action]
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) <= NAMELESS
        for resource in statement["Resource"]:
            assert resource == "*" or not re.search(r"\b\d{12}\b", resource)
            if resource.startswith("arn:aws:sagemaker"):
                assert re.search(r"/NAME(-\*)?$", resource)


def code_of_the_commands() -> str:
    """That of the modules of training.cloud that the commands import, their own included."""
    found: dict[str, str] = {}
    left = set(COMMANDS)
    while left:
        name = left.pop()
        found[name] = (CLOUD / f"{name.replace('.', '/')}.py").read_text()
        left |= set(re.findall(r"from training\.cloud\.([\w.]+) import", found[name])) - set(found)
    return "\n".join(found.values())


def test_one_who_launches_may_do_what_the_commands_do():
    """Every operation that their code names, and what AWS asks for beside these."""
    words = "Create|Describe|List|Delete|Update|Put|Add|Register|Deregister|Get|Invoke|Stop"
    operations = set(re.findall(rf'"((?:{words})[A-Z]\w+)"', code_of_the_commands()))
    # f"Delete{kind}" in delete.py, and the calls of boto3 by its own names
    operations |= {"DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"}
    operations |= {"GetRole", "GetProducts", "InvokeEndpoint"}
    allowed = {action for found in statements("launch-endpoint.json") for action in found["Action"]}
    # An endpoint's status, and what is called ListBucket as an action.
    operations -= {"UpdateRollbackFailed", "ListObjectsV2"}
    assert operations - {action.partition(":")[2] for action in allowed} == set()
    assert {action for action in allowed if action.partition(":")[2] not in operations} == {
        "cloudwatch:TagResource",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "s3:ListBucket",
        "sagemaker:UpdateEndpointWeightsAndCapacities",  # RegisterScalableTarget
    }


def test_the_proxy_may_ask_its_endpoint_and_nothing_else():
    """What `app.endpoint` calls."""
    [asking] = statements("proxy.json")
    code = (CLOUD.parents[1] / "app/endpoint.py").read_text()
    called = set(re.findall(r"self\._(?:control|runtime)\.(\w+_\w+)\(", code))
    assert called == {"describe_endpoint", "invoke_endpoint"}
    assert asking["Action"] == ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"]
    assert asking["Resource"] == ["arn:aws:sagemaker:REGION:ACCOUNT:endpoint/NAME"]


def test_only_this_role_is_passed_and_only_to_sagemaker():
    [passing] = [
        found for found in statements("launch-endpoint.json") if "iam:PassRole" in found["Action"]
    ]
    assert passing["Resource"] == ["arn:aws:iam::ACCOUNT:role/GarmentEndpoint"]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
