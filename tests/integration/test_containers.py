"""The images, built and run by a real engine as an operator runs them."""

from __future__ import annotations

import json
import os
import tarfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.artifact import CATEGORIES
from tests.app.conftest import encode, photo
from tests.integration.containers import (
    HARDENED,
    NEEDS_ENGINE,
    ROOT,
    Container,
    build,
    docker,
    inspect,
    post_sample,
    running,
    wait_for,
)

pytestmark = [*NEEDS_ENGINE, pytest.mark.timeout(900)]

MB = 1_000_000
LIMITS = {"service": 800 * MB, "service-slim": 350 * MB, "proxy": 200 * MB}
SERVING, ALL = list(LIMITS), [*LIMITS, "training"]


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
    for _ in range(10):
        assert post_sample(service.client).is_success
    assert not inspect(service.id)["State"]["OOMKilled"]


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


def test_the_training_image_trains_for_the_user_who_asks(tmp_path: Path) -> None:
    """As the README says: no root, no capabilities, and the files are the user's."""
    write_photos(tmp_path / "data")
    for folder in (tmp_path, tmp_path / "runs"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, 12345, 12345)
    arguments = ["train", "--data=/project/data", "--output=/project/runs/first", "--epochs=1"]
    volume = f"--volume={tmp_path}:/project"
    run = ["run", "--rm", "--user=12345:12345", *HARDENED, volume, build("training")]
    docker(*run, *arguments, "--batch-size=8", "--version=1.0.0", "--diagnose=off")
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


@pytest.mark.parametrize("target", ALL)
def test_no_secret_is_in_a_layer(target: str, tmp_path: Path) -> None:
    """Of the repository's secrets, and of what a developer's folder holds besides the sources."""
    secrets = [b"only-for-the-local-s3-server"]
    archive = tmp_path / "image.tar"
    docker("save", f"--output={archive}", build(target))
    names = set()
    with tarfile.open(archive) as image:
        for layer in image:
            content = image.extractfile(layer)
            if content is None:
                continue
            if not is_tar(content.read(512)):
                content.seek(0)
                text = content.read()
                assert not [secret for secret in secrets if secret in text], layer.name
                continue
            content.seek(0)
            with tarfile.open(fileobj=content) as files:
                for file in files:
                    names.add(file.name)
                    opened = files.extractfile(file) if file.isfile() and file.size < MB else None
                    text = opened.read() if opened else b""
                    assert not [secret for secret in secrets if secret in text], file.name
    ours = {name for name in names if name.startswith("srv/garment/")}
    tops = {name.split("/")[2] for name in ours}
    assert tops <= {"app", "docker", "training", "garment_classifier-0.1.0.dist-info"}
    caches = ("root/.cache/pip/", "var/cache/pip/")
    assert not [name for name in names if "/.git/" in name or name.startswith(caches)]
    assert not [name for name in names if Path(name).name in (".env", "credentials")]


def is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"


def write_photos(source: Path) -> None:
    """A few images of each category, in the splits that training takes."""
    for split in ("train", "valid"):
        for category in CATEGORIES:
            folder = source / split / category.replace("/", "-")
            folder.mkdir(parents=True)
            for number in range(2):
                (folder / f"{number}.png").write_bytes(encode(photo(40, 40), "PNG"))
