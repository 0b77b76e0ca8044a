"""The policies for training allow what the commands do, by name where AWS permits names."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "training/cloud/policies"

NAMELESS = {"ecr:GetAuthorizationToken", "pricing:GetProducts", "cloudwatch:PutMetricData"}
"""Actions for which AWS knows no resource but `*`."""


def statements(name: str) -> list[dict]:
    policy = json.loads((FOLDER / name).read_text())
    assert policy["Version"] == "2012-10-17"
    return policy["Statement"]


POLICIES = ["training-role.json", "launch-training.json", "publish-release.json"]
POLICIES += ["serve-release.json"]


@pytest.mark.parametrize("name", POLICIES)
def test_a_wildcard_stands_only_where_aws_permits_no_name(name):
    for statement in statements(name):
        assert not [action for action in statement["Action"] if "*" in action]
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) <= NAMELESS


def test_one_who_launches_may_do_what_the_commands_do():
    allowed = {action for found in statements("launch-training.json") for action in found["Action"]}
    assert allowed == {
        "iam:GetRole",  # --role by its name
        "iam:PassRole",
        "logs:DescribeLogStreams",
        "logs:GetLogEvents",
        "pricing:GetProducts",
        "s3:AbortMultipartUpload",
        "s3:GetObject",  # HeadObject is this too
        "s3:ListBucket",  # and HeadBucket this
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
        "sagemaker:AddTags",
        "sagemaker:CreateHyperParameterTuningJob",
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
        "sagemaker:StopHyperParameterTuningJob",
        "sagemaker:StopTrainingJob",
    }


def test_who_publishes_may_read_and_write_releases_and_delete_none():
    listing, writing, reading = statements("publish-release.json")
    assert listing["Action"] == ["s3:ListBucket"]
    assert writing["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert writing["Resource"] == ["arn:aws:s3:::BUCKET/garments/*"]
    # s3://BUCKET/jobs/JOB/output/model.tar.gz, to publish it
    assert reading["Action"] == ["s3:GetObject"]
    assert reading["Resource"] == ["arn:aws:s3:::BUCKET/jobs/*"]


def test_a_service_may_read_releases_and_nothing_else():
    listing, reading = statements("serve-release.json")
    assert (reading["Action"], reading["Resource"]) == (
        ["s3:GetObject"],
        ["arn:aws:s3:::BUCKET/garments/*"],
    )
    assert (listing["Action"], listing["Resource"]) == (["s3:ListBucket"], ["arn:aws:s3:::BUCKET"])
    # S3 takes the key of a missing object for the prefix, when it chooses between 403 and 404.
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["garments/*"]}}
    code = "".join(path.read_text() for path in (FOLDER.parents[2] / "app/store").glob("*.py"))
    # HeadObject is s3:GetObject too.
    assert set(re.findall(r"client\.(\w+_\w+)\(", code)) == {"get_object", "head_object"}


def test_a_job_deletes_checkpoints_and_nothing_else():
    [deleting] = [
        found
        for found in statements("training-role.json")
        if [action for action in found["Action"] if "Delete" in action]
    ]
    assert deleting["Action"] == ["s3:DeleteObject"]
    assert deleting["Resource"] == ["arn:aws:s3:::BUCKET/jobs/*/checkpoints/*"]


def test_every_policy_is_described():
    text = (FOLDER / "README.md").read_text()
    assert [path.name for path in FOLDER.glob("*.json") if f"`{path.name}`" not in text] == []


def test_only_sagemaker_takes_the_role_and_only_this_role_is_passed():
    [trust] = statements("training-trust.json")
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}
    [passing] = [
        found for found in statements("launch-training.json") if "iam:PassRole" in found["Action"]
    ]
    assert passing["Resource"] == ["arn:aws:iam::ACCOUNT:role/GarmentTraining"]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
