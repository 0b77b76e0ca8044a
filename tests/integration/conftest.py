"""What integration tests share: a tiny artifact, and a real S3 server (SeaweedFS) for `s3`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from app.artifact import Artifact
from tests.app.conftest import write_artifact

ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key"
START_SECONDS = 60.0


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A real one, untrained."""
    return write_artifact(tmp_path_factory.mktemp("artifact") / "model.pt", temperature=0.05)


@dataclass
class S3Server:
    """A running server with one empty bucket."""

    process: subprocess.Popen
    endpoint: str
    bucket: str = ""

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of which those 10,000 higher, which SeaweedFS takes for gRPC, are free too.

    All are held until the last is found: none is another's.
    """
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            first, second = (held.enter_context(socket.socket()) for _ in range(2))
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            ports.append(port)
    return ports


def free_port() -> int:
    return free_ports(1)[0]


def start_server(folder: Path) -> S3Server:
    weed = shutil.which("weed") or str(Path(sys.executable).with_name("weed"))
    parts = ("s3.port", "s3.port.iceberg", "s3.port.lance")
    parts += ("master.port", "volume.port", "filer.port", "admin.port")
    ports = free_ports(len(parts))
    command = [weed, "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-{part}={port}" for part, port in zip(parts, ports, strict=True)]
    command += ["-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    command += ["-s3.autoCreateBucket=false"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
        )
    server = S3Server(process, f"http://127.0.0.1:{ports[0]}")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{server.endpoint}/healthz"):
                break
        except (URLError, OSError):
            time.sleep(0.1)
    else:
        server.stop()
        raise RuntimeError(f"SeaweedFS did not start:\n{(folder / 'log').read_text()[-2000:]}")
    return server


def create_bucket(server: S3Server) -> str:
    """A new bucket, listed: the server answers health checks before it can make one."""
    bucket = f"shop-{uuid.uuid4().hex[:12]}"
    deadline = time.monotonic() + START_SECONDS
    with closing(server.client()) as client:
        while True:
            try:
                client.create_bucket(Bucket=bucket)
                if bucket in [found["Name"] for found in client.list_buckets()["Buckets"]]:
                    return bucket
            except (ClientError, BotoCoreError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)


@pytest.fixture(scope="session")
def running_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = start_server(tmp_path_factory.mktemp("seaweedfs"))
    try:
        yield server
    finally:
        server.stop()


def _environment(monkeypatch: pytest.MonkeyPatch, server: S3Server) -> None:
    """What a user sets: boto3 reads all of it itself."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def s3_server(running_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The shared server with a bucket of the test's own; the environment points to it."""
    _environment(monkeypatch, running_s3)
    return S3Server(running_s3.process, running_s3.endpoint, create_bucket(running_s3))


@pytest.fixture
def own_s3_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server of the test's own, which it may stop."""
    folder = tmp_path / "seaweedfs"
    folder.mkdir()
    server = start_server(folder)
    try:
        _environment(monkeypatch, server)
        server.bucket = create_bucket(server)
        yield server
    finally:
        server.stop()
