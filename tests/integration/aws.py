"""Start the stand-in for AWS in a process of its own, and point this process's boto3 to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
import pytest

from tests.integration.conftest import free_port

REGION = "us-east-1"
START_SECONDS = 60.0


@dataclass
class Aws:
    """A running stand-in."""

    process: subprocess.Popen
    url: str

    def client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def environment(self) -> dict[str, str]:
        """What a user's shell would have."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)


@contextmanager
def running_aws(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Aws]:
    """A stand-in on a free port; `environment` is described in `aws_standin.py`."""
    port = free_port()
    script = Path(__file__).with_name("aws_standin.py")
    command = [sys.executable, str(script), "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
        )
    aws = Aws(process, f"http://127.0.0.1:{port}")
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                httpx.get(f"{aws.url}/moto-api/data.json", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise RuntimeError((folder / "aws.log").read_text()[-2000:])
        yield aws
    finally:
        process.kill()
        process.wait()
