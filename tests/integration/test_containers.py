"""The images, built and run by a real engine as an operator runs them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from app.card import CATEGORIES
from app.settings import Settings
from tests.app.conftest import encode, photo
from tests.integration.conftest import free_port
from tests.integration.containers import (
    ALL,
    HARDENED,
    MB,
    NEEDS_ENGINE,
    README,
    ROOT,
    SERVING,
    Container,
    build,
    docker,
    inspect,
    post_sample,
    running,
    wait_for,
)

pytestmark = [*NEEDS_ENGINE, pytest.mark.timeout(900)]

LIMITS = {"service": 800 * MB, "service-slim": 350 * MB, "proxy": 200 * MB}


@pytest.fixture(scope="module")
def service() -> Iterator[Container]:
    with running(build("service"), "--memory=1g", "--memory-swap=1g") as container:
        container.wait_until("healthy")
        yield container


@pytest.mark.parametrize("target", SERVING)
def test_it_is_small(target: str) -> None:
    size = inspect(build(target))["Size"]
    assert size < LIMITS[target], f"{size / MB:.0f} MB"


@pytest.mark.parametrize("target", ALL)
def test_it_is_described(target: str) -> None:
    config = inspect(build(target))["Config"]
    labels = config["Labels"]
    for name in ("title", "description", "licenses", "version", "revision"):
        assert labels[f"org.opencontainers.image.{name}"]
    assert config["Entrypoint"][0] == "python"  # not a shell, which would keep SIGTERM to itself
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    if target != "training":
        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"][:2] == ["CMD", "python"]


def test_the_service_has_the_locked_versions() -> None:
    code = (
        "from importlib.metadata import distributions as d; import json;"
        "print(json.dumps({one.name.lower().replace('_', '-'): one.version for one in d()}))"
    )
    entry = ("--rm", "--entrypoint=python")
    there = json.loads(docker("run", *entry, build("service"), "-c", code))
    pins = [line.split(" ; ")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()]
    locked = dict(pin.split("==") for pin in pins if not pin.startswith("#"))
    assert there["torch"].endswith("+cpu")
    others = there.keys() - {"garment-classifier"}
    assert {name: there[name].split("+")[0] for name in others} == {n: locked[n] for n in others}


def test_the_service_answers_unprivileged(service: Container) -> None:
    answer = post_sample(service.client).json()
    assert answer["label"] == "Ankle boot"
    assert answer["confidence"] > 0.9
    assert service.client.get("/docs").is_success
    user = "import os; print(os.getuid(), os.access('/srv/garment', os.W_OK))"
    assert service.python(user) == "10001 False"
    capabilities = "print([l for l in open('/proc/1/status') if l.startswith('CapEff')][0].split())"
    assert service.python(capabilities) == "['CapEff:', '0000000000000000']"


def test_the_service_explains_too(service: Container) -> None:
    answer = post_sample(service.client, "/predict?explain=true").json()
    assert answer["explanation"]["heatmap"].startswith("data:image/png")


def test_it_keeps_its_memory_limit(service: Container) -> None:
    """Photos that wait in memory for their last byte; all of them are more than there is."""
    url = service.client.base_url
    size = 9_000_000
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
    refused = 0
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(120):
            client = socket.create_connection((url.host, url.port), timeout=10)
            clients.append(stack.enter_context(client))
            with contextlib.suppress(OSError):  # it is refused while it is sent
                client.sendall(head + bytes(size - 1))
        for client in clients[-90:]:  # the first ones wait for their last byte
            client.settimeout(2)
            with contextlib.suppress(OSError):
                refused += b"overloaded" in client.recv(4096)
        assert refused > 60
        assert post_sample(service.client).is_success
    assert not inspect(service.id)["State"]["OOMKilled"]


def test_it_has_the_memory_for_photos_of_the_largest_size() -> None:
    """In as much as the README asks for, and explained as well."""
    largest = encode(Image.new("RGBA", (8192, 6144)), "WEBP", lossless=True)
    with running(build("service"), "--memory=1536m", "--memory-swap=1536m") as container:
        container.wait_until("healthy")
        assert post_sample(container.client, "/predict?explain=true").is_success
        for _ in range(3):
            assert container.client.post("/predict", content=largest).is_success


def test_sigterm_ends_it_in_time() -> None:
    with running(build("service")) as container:
        container.wait_until("healthy")
        begun = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - begun < 25
        assert "stopped" in container.log()


def test_an_unready_service_is_unhealthy() -> None:
    variables = ("--env=GARMENT_ENDPOINT_NAME=garments", "--env=AWS_REGION=us-east-1")
    nobody = "--env=AWS_ENDPOINT_URL=http://127.0.0.1:9"
    keys = ("--env=AWS_ACCESS_KEY_ID=none", "--env=AWS_SECRET_ACCESS_KEY=none")
    at_once = ("--health-retries=1", "--health-start-period=1s")
    with running(build("proxy"), *variables, nobody, *keys, *at_once) as container:
        container.wait_until("unhealthy")
        wait_for(container.client, "/health/live", 200)
        assert container.client.get("/health/ready").status_code == 503
        assert container.stop() == 0


def test_it_runs_as_the_readme_says() -> None:
    [line] = re.findall(r"^docker run (--rm --read-only .*) garment-classifier$", README, re.M)
    port = free_port()
    options = shlex.split(line.replace(":8000:8000", f":{port}:8000"))
    started = docker("run", "--detach", *options, build("service"))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_for(client, "/health/ready", 200)
            assert post_sample(client).json()["label"] == "Ankle boot"
        # What was accepted may take so long to finish when it is stopped, and some more to end.
        assert inspect(started)["Config"]["StopTimeout"] >= Settings().drain_seconds + 5
    finally:
        docker("rm", "--force", started)


def test_the_training_image_trains_for_the_user_who_asks(tmp_path: Path) -> None:
    """By the README's line; besides, without capabilities and with a root that is read-only."""
    write_photos(tmp_path / "data/fashion-mnist")
    for folder in (tmp_path, tmp_path / "runs"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, 12345, 12345)
    [line] = re.findall(r"^docker run .* garment-classifier-training train .*$", README, re.M)
    for old, new in {
        "docker run --rm": shlex.join(["docker", "run", "--rm", *HARDENED]),
        "$(id -u):$(id -g)": "12345:12345",
        " garment-classifier-training ": f" {build('training')} ",
    }.items():
        assert old in line
        line = line.replace(old, new)
    quick = "--epochs=1 --batch-size=8 --diagnose=off"
    said = subprocess.run(f"{line} {quick}", shell=True, cwd=tmp_path, capture_output=True)
    assert said.returncode == 0, said.stderr
    artifact = tmp_path / "runs/first/model.pt"
    assert artifact.stat().st_uid == 12345


def test_the_training_image_is_a_job_of_sagemaker(tmp_path: Path) -> None:
    write_photos(tmp_path / "input/data/training")
    (tmp_path / "input/config").mkdir()
    said = {"epochs": "1", "batch-size": "8", "version": "2.0.0", "diagnose": "off"}
    (tmp_path / "input/config/hyperparameters.json").write_text(json.dumps(said))
    (tmp_path / "input/config/inputdataconfig.json").write_text(json.dumps({"training": {}}))
    docker("run", "--rm", f"--volume={tmp_path}:/opt/ml", build("training"), "train")
    assert (tmp_path / "model/model.pt").exists()


def write_photos(source: Path) -> None:
    """A few images of each category, in the splits that training takes."""
    for split in ("train", "valid"):
        for category in CATEGORIES:
            folder = source / split / category.replace("/", "-")
            folder.mkdir(parents=True)
            for number in range(2):
                (folder / f"{number}.png").write_bytes(encode(photo(40, 40), "PNG"))
