"""Roll a model out and back under a service that runs: a process, and a real S3 server."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from app.artifact import Artifact, open_artifact
from app.release import Latest
from tests.app.conftest import encode, metric, photo
from tests.integration.services import Process, started
from tests.versions import other_version
from training import publish as command
from training.publish import manifest_of

pytestmark = pytest.mark.s3

PNG = encode(photo(), "PNG")
OK, FAILED = (f'garment_model_reloads_total{{result="{result}"}}' for result in ("ok", "failed"))


def publish(model: Path, server) -> None:
    """As a person does: `python -m training publish MODEL s3://BUCKET/garments`."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args([str(model), f"s3://{server.bucket}/garments"])) == 0


def publish_damaged(model: Path, server) -> None:
    """A release whose model.pt lost its end, however that came about."""
    manifest = manifest_of(open_artifact(model))
    latest = Latest(version=manifest.version, manifest=f"{manifest.version}/manifest.json")
    files = {
        f"{manifest.version}/model.pt": model.read_bytes()[:-1000],
        f"{manifest.version}/manifest.json": manifest.model_dump_json().encode(),
        "latest.json": latest.model_dump_json().encode(),
    }
    with closing(server.client()) as client:
        for name, content in files.items():
            client.put_object(Bucket=server.bucket, Key=f"garments/{name}", Body=content)


@dataclass
class Said:
    """What clients got."""

    statuses: set[int] = field(default_factory=set)
    versions: list[str] = field(default_factory=list)

    @property
    def last(self) -> str:
        return self.versions[-1] if self.versions else ""


@contextmanager
def asking(process: Process) -> Iterator[Said]:
    """Clients that never stop to send photos, and to ask whether they may."""
    said, done = Said(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=process.client.base_url, timeout=30) as client:
            while not done.is_set():
                answer = client.post("/predict", content=PNG)
                ready = client.get("/health/ready")
                said.statuses |= {answer.status_code, ready.status_code}
                if answer.is_success:
                    said.versions.append(answer.json()["model"]["version"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield said
    finally:
        done.set()
        for thread in threads:
            thread.join()


def within(seconds: float, condition: Callable[[], bool], process: Process) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, process.log.read_text()[-3000:]
        time.sleep(0.1)


@pytest.mark.timeout(600)
def test_a_model_is_rolled_out_and_back_and_no_request_fails(
    own_s3_server, tiny_artifact: Artifact, tmp_path: Path
) -> None:
    first = tiny_artifact.path
    second, third = (
        other_version(first, version, tmp_path / version / "model.pt")
        for version in ("2.0.0", "3.0.0")
    )
    publish(first, own_s3_server)
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        "GARMENT_MODEL": f"s3://{own_s3_server.bucket}/garments/latest.json",
        "GARMENT_RELOAD_SECONDS": "1",
        "GARMENT_CACHE": str(tmp_path / "cache"),
        "GARMENT_ENGINE": "torchscript",
    }
    with started(tmp_path / "log", environment) as process:
        with asking(process) as said:
            within(20, lambda: said.last == tiny_artifact.card.version, process)

            publish(second, own_s3_server)
            within(30, lambda: said.last == "2.0.0", process)
            assert metric(process.client, OK) == 1
            assert process.client.get("/model").json()["card"]["version"] == "2.0.0"

            publish_damaged(third, own_s3_server)
            within(20, lambda: metric(process.client, FAILED) == 1, process)
            time.sleep(4)  # some looks more
            assert metric(process.client, FAILED) == 1
            assert said.last == "2.0.0"

            publish(first, own_s3_server)
            within(30, lambda: said.last == tiny_artifact.card.version, process)
            assert metric(process.client, OK) == 2

            own_s3_server.stop()
            within(60, lambda: "S3 cannot be reached" in process.log.read_text(), process)
            time.sleep(4)
        assert said.statuses == {200}
        assert said.last == tiny_artifact.card.version
        assert process.stop() == 0
    log = process.log.read_text()
    assert log.count("is not taken") == log.count("manifest.json beside it says") == 1
    assert log.count("S3 cannot be reached") == 1
    assert "Traceback" not in log
