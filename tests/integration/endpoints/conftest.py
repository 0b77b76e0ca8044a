"""An account of the stand-in for AWS, and the commands for endpoints in it.

The endpoint's container is the real one: `python -m app serve` with a tiny artifact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.artifact import Artifact
from tests.app.conftest import write_artifact
from tests.integration.aws import Aws, running_aws
from tests.integration.services import started
from training.__main__ import main

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/garments"
ROLE = "GarmentEndpoint"
MODEL = "s3://shop/models/garments/1.2.3/"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@dataclass
class Cloud:
    """An account with a bucket and a role, and the commands in it."""

    aws: Aws
    plan_file: Path
    artifact: Artifact
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        status = main(["cloud", *arguments])
        said = self.capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return status, said.out, said.err

    def deploy(self, tag: str = "1", *arguments: str, model: str = MODEL) -> tuple[int, str, str]:
        image = ["--image", f"{IMAGE}:{tag}", "--role", ROLE, "--yes"]
        return self.run("deploy", "garments", model, *image, *arguments)

    def plan(self, **values: object) -> None:
        self.plan_file.write_text(json.dumps(values))

    def end_it(self) -> None:
        """What is going on on AWS is over."""
        self.plan(skip=True)
        self.endpoint()
        self.plan()

    def endpoint(self) -> dict:
        return self.aws.client("sagemaker").describe_endpoint(EndpointName="garments")

    def left(self) -> list[str]:
        """All that there is in the account but S3 and IAM."""
        sagemaker = self.aws.client("sagemaker")
        scaling = self.aws.client("application-autoscaling")
        alarms = self.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
        targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
        return [
            *(one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]),
            *(
                one["EndpointConfigName"]
                for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]
            ),
            *(one["ModelName"] for one in sagemaker.list_models()["Models"]),
            *(one["AlarmName"] for one in alarms),
            *(one["ResourceId"] for one in targets["ScalableTargets"]),
        ]


def interrupt(_: float) -> None:
    """Ctrl-C, in the place of a pause."""
    raise KeyboardInterrupt


def shown(out: str) -> list[str]:
    """The requests that a dry run has printed."""
    return re.findall(r"^[a-z0-9-]+ ([A-Z]\w+)$", out, re.MULTILINE)


@pytest.fixture(scope="session")
def thin_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A small one: it is packed, sent and fetched by nearly every test."""
    path = tmp_path_factory.mktemp("artifact") / "model.pt"
    return write_artifact(path, temperature=0.05, thin=True)


@pytest.fixture(scope="session")
def standin(
    thin_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Aws, Path]]:
    """The stand-in before the container, and the file that says how deployments go."""
    folder = tmp_path_factory.mktemp("aws")
    model = {
        "GARMENT_MODEL": str(thin_artifact.path),
        "GARMENT_ENGINE": "torchscript",
        "GARMENT_CACHE": str(folder / "cache"),
    }
    plan = folder / "plan.json"
    with started(folder / "container.log", model, "serve", ready="/ping") as container:
        upstream = str(container.client.base_url)
        environment = {"ENDPOINT_UPSTREAM": upstream, "ENDPOINT_PLAN": str(plan)}
        with running_aws(folder, environment) as aws:
            yield aws, plan


@pytest.fixture
def cloud(
    standin: tuple[Aws, Path],
    thin_artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cloud:
    """An account with nothing but the bucket `shop`, a release in it, and the role."""
    aws, plan = standin
    httpx.post(f"{aws.url}/moto-api/reset")
    plan.write_text("{}")
    aws.use(monkeypatch)
    monkeypatch.setattr(
        "training.cloud.COMMANDS", ("deploy", "status", "rollback", "delete", "label")
    )
    monkeypatch.setattr("training.cloud.waiting.POLL_SECONDS", 0.02)
    for pause in ("COUNT_SECONDS", "COUNT_SHARE"):
        monkeypatch.setattr(f"training.cloud.labelling.progress.{pause}", 0.0)
    aws.client("s3").create_bucket(Bucket="shop")
    aws.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
    assert main(["publish", str(thin_artifact.path), "s3://shop/models/garments", "--tar"]) == 0
    capsys.readouterr()
    return Cloud(aws, plan, thin_artifact, capsys)
