import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from training.__main__ import main

REGION = "eu-west-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS as moto plays it in this process: no call leaves it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        yield


@pytest.fixture
def s3(aws: None):
    """A client; there is one bucket, `shop`."""
    client = boto3.client("s3", region_name=REGION)
    client.create_bucket(Bucket="shop", CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


@pytest.fixture
def role(aws: None) -> str:
    """The ARN of a role that SageMaker may use; its name is GarmentTraining."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    made = boto3.client("iam", region_name=REGION).create_role(
        RoleName="GarmentTraining", AssumeRolePolicyDocument=json.dumps(trust)
    )
    return made["Role"]["Arn"]


@pytest.fixture
def cloud(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs `python -m training cloud ...`: the exit status, what it said, and its errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main(["cloud", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of prepared data, with packs that are none: uploading does not look into them."""
    folder = tmp_path / "data" / "fashion-mnist"
    folder.mkdir(parents=True)
    (folder / "train.zip").write_bytes(b"train" * 100)
    (folder / "valid.zip").write_bytes(b"valid" * 100)
    (folder / "prepared.json").write_text("{}")
    return folder
