"""The compose file, brought up by a real engine as an operator does."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.app.conftest import encode
from tests.integration.containers import (
    NEEDS_ENGINE,
    README,
    ROOT,
    START_SECONDS,
    post_sample,
    up,
    wait_for,
)
from tests.integration.photos import check_photos, photos
from tests.versions import other_version

pytestmark = [*NEEDS_ENGINE, pytest.mark.timeout(900)]


def test_it_serves_the_bundled_model() -> None:
    with up() as project, project.client("SERVICE_PORT") as client:
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"
        check_photos(client)
        host = project.container("service")["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] == 2 * 1024**3
        assert host["NanoCpus"] > 0
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        project.compose("stop")
        assert project.container("service")["State"]["ExitCode"] == 0


def test_it_serves_a_release_from_s3_and_takes_the_next(tmp_path: Path) -> None:
    """By the image without torch: nothing about it needs torch."""
    with (
        up("service-s3", profile="s3", target="service-slim") as project,
        project.client("S3_SERVICE_PORT") as client,
    ):
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"
        assert project.container("publish")["State"]["ExitCode"] == 0
        check_photos(client)
        # Another one is published, as the README says, and the service that runs takes it.
        other_version(ROOT / "app/bundled/model.pt", "99.0.0", tmp_path / "model.pt")
        tmp_path.chmod(0o755)
        [line] = re.findall(r"^docker compose (--profile s3 run .*)$", README, re.MULTILINE)
        assert "$PWD/runs/first:" in line
        project.compose(*shlex.split(line.replace("$PWD/runs/first:", f"{tmp_path}:")))
        end = time.monotonic() + START_SECONDS
        while (answer := post_sample(client)).json()["model"]["version"] != "99.0.0":
            assert answer.is_success, answer.text
            assert time.monotonic() < end, project.logs()
            time.sleep(0.5)
        # What `up` publishes is the first only: another `up` takes nothing back.
        project.compose("--profile=s3", "up", "--detach", "--force-recreate", "service-s3")
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["model"]["version"] == "99.0.0"
        said = project.compose("--profile=s3", "logs", "publish")
        assert "names 99.0.0 already, and stays as it is" in said
        # S3 is gone, and the verified copy in the volume serves on, also after a start.
        project.compose("--profile=s3", "kill", "s3")
        assert post_sample(client).is_success
        project.compose("--profile=s3", "restart", "--no-deps", "service-s3")
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"


def test_it_calls_an_endpoint_through_the_proxy() -> None:
    with up("proxy", profile="proxy") as project, project.client("PROXY_PORT") as client:
        wait_for(client, "/health/ready", 200)
        answer = post_sample(client).json()
        assert answer["label"] == "Ankle boot"
        assert answer["model"]["variant"] == "local"
        check_photos(client)
        # Large photos have left small, whatever they came as.
        sent = project.compose("--profile=proxy", "logs", "sagemaker")
        sizes = [int(size) for size in re.findall(r"handing on: image/\w+, (\d+) bytes", sent)]
        assert len(sizes) == len(photos()) + 1
        assert max(sizes) < 100_000
        # Of 2 kB, and as many pixels as are taken: it has the memory for that.
        largest = encode(Image.new("RGBA", (8192, 6144)), "WEBP", lossless=True)
        assert client.post("/predict", content=largest).status_code == 200
        # Nothing is left that answers: told as such, and made good when the endpoint is back.
        project.compose("--profile=proxy", "kill", "endpoint")
        assert post_sample(client).status_code == 503
        wait_for(client, "/health/ready", 503)
        project.compose("--profile=proxy", "start", "endpoint")
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"


@pytest.mark.parametrize(("profile", "service"), [("s3", "service-s3"), ("proxy", "proxy")])
def test_credentials_that_may_not_be_read_are_told(
    profile: str, service: str, tmp_path: Path
) -> None:
    """Such as one's own of mode 0600: boto3 would look elsewhere for others."""
    own = tmp_path / "credentials"
    own.write_bytes((ROOT / "docker/compose/aws_credentials").read_bytes())
    own.chmod(0o600)
    tmp_path.chmod(0o755)
    variables = {"AWS_CREDENTIALS": str(own)}
    with up(service, profile=profile, check=False, **variables) as project:
        said = project.compose(f"--profile={profile}", "logs", "credentials")
        assert f"10001, may not read the file of AWS credentials, {own}: chmod a+r" in said
        assert project.container("credentials")["State"]["ExitCode"] == 1
        assert not project.is_running(service)
        own.chmod(0o644)
        project.compose(f"--profile={profile}", "up", "--detach", service)
        port = "PROXY_PORT" if profile == "proxy" else "S3_SERVICE_PORT"
        with project.client(port) as client:
            wait_for(client, "/health/ready", 200)


def test_the_example_credentials_can_be_replaced() -> None:
    environment = {**os.environ, "AWS_CREDENTIALS": "/somewhere/else"}
    said = subprocess.run(
        ["docker", "compose", "--profile=s3", "config", "--format=json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    config = json.loads(said.stdout)
    assert config["secrets"]["aws_credentials"]["file"] == "/somewhere/else"
    # Secrets are files of their own: in no variable, where `docker inspect` would show them.
    for service in config["services"].values():
        assert "only-for" not in json.dumps(service.get("environment", {}))
