"""The images and the compose file, built and run by a real engine as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.containers import (
    HARDENED,
    ROOT,
    START_SECONDS,
    Container,
    build,
    docker,
    inspect,
    post_sample,
    running,
    up,
    wait_for,
    why_no_engine,
)
from tests.versions import other_version

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_no_engine()), reason=f"no Docker engine: {why_no_engine()}"),
]

BASE = "python:3.11-slim-bookworm"
MB = 1_000_000
# The official base image; a stand-in for it, where no registry is reached, may be larger.
OFFICIAL_BASE = 130 * MB
LIMITS = {"service": 800 * MB, "proxy": 200 * MB}

Build = Callable[[str], str]


@pytest.fixture(scope="module")
def images() -> Build:
    """Builds a target once."""
    built: dict[str, str] = {}

    def get(target: str) -> str:
        if target not in built:
            built[target] = build(target)
        return built[target]

    return get


@pytest.fixture(scope="module")
def service(images: Build) -> Iterator[Container]:
    with running(images("service"), "--memory=1g", "--memory-swap=1g") as container:
        container.wait_until("healthy")
        yield container


@pytest.mark.parametrize("target", ["service", "proxy"])
def test_it_is_small(images: Build, target: str) -> None:
    size, base = (inspect(image)["Size"] for image in (images(target), BASE))
    assert size - max(0, base - OFFICIAL_BASE) < LIMITS[target], f"{size / MB:.0f} MB"


@pytest.mark.parametrize("target", ["service", "proxy", "training"])
def test_it_is_described(images: Build, target: str) -> None:
    config = inspect(images(target))["Config"]
    labels = config["Labels"]
    for name in ("title", "description", "licenses", "version", "revision"):
        assert labels[f"org.opencontainers.image.{name}"]
    assert config["Entrypoint"][0] == "python"  # not a shell, which would keep SIGTERM to itself
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    if target != "training":
        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"][:2] == ["CMD", "python"]


def test_the_service_has_the_locked_versions(images: Build) -> None:
    code = (
        "from importlib.metadata import distributions as d; import json;"
        "print(json.dumps({one.name.lower().replace('_', '-'): one.version for one in d()}))"
    )
    entry = ("--rm", "--entrypoint=python")
    there = json.loads(docker("run", *entry, images("service"), "-c", code))
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


def test_sigterm_ends_it_in_time(images: Build) -> None:
    with running(images("service")) as container:
        container.wait_until("healthy")
        begun = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - begun < 25
        assert "stopped" in container.log()


def test_the_endpoint_serves_what_is_mounted_as_sagemaker_does(
    images: Build, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(ROOT / "app/bundled/model.pt", "model.pt")
    tmp_path.chmod(0o755)
    mount = f"--volume={tmp_path}:/opt/ml/model:ro"
    # The archive is unpacked into the cache.
    cache = "--volume=/var/cache/garment-classifier"
    with running(images("service"), mount, cache, arguments=("serve",)) as container:
        container.wait_until("healthy")
        assert container.client.get("/ping").status_code == 200
        assert post_sample(container.client, "/invocations").json()["label"] == "Ankle boot"
        assert container.stop() == 0


def test_an_unready_service_is_unhealthy(images: Build) -> None:
    variables = ("--env=GARMENT_ENDPOINT_NAME=garments", "--env=AWS_REGION=us-east-1")
    nobody = "--env=AWS_ENDPOINT_URL=http://127.0.0.1:9"
    keys = ("--env=AWS_ACCESS_KEY_ID=none", "--env=AWS_SECRET_ACCESS_KEY=none")
    at_once = ("--health-retries=1", "--health-start-period=1s")
    with running(images("proxy"), *variables, nobody, *keys, *at_once) as container:
        container.wait_until("unhealthy")
        wait_for(container.client, "/health/live", 200)
        assert container.client.get("/health/ready").status_code == 503
        assert container.stop() == 0


def test_the_proxy_has_no_torch_and_no_model(images: Build) -> None:
    code = (
        "import importlib.util as u, pathlib as p;"
        "print(u.find_spec('torch'), list(p.Path('.').rglob('*.pt')))"
    )
    said = docker("run", "--rm", "--entrypoint=python", images("proxy"), "-c", code)
    assert said == "None []"


def test_the_training_image_trains_for_the_user_who_asks(images: Build, tmp_path: Path) -> None:
    """As the README says: no root, no capabilities, and the files are the user's."""
    write_photos(tmp_path / "data")
    for folder in (tmp_path, tmp_path / "runs"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, 12345, 12345)
    arguments = ["train", "--data=/project/data", "--output=/project/runs/first", "--epochs=1"]
    volume = f"--volume={tmp_path}:/project"
    run = ["run", "--rm", "--user=12345:12345", *HARDENED, volume, images("training")]
    docker(*run, *arguments, "--batch-size=8", "--version=1.0.0", "--diagnose=off")
    artifact = tmp_path / "runs/first/model.pt"
    assert artifact.stat().st_uid == 12345


def test_the_training_image_is_a_job_of_sagemaker(images: Build, tmp_path: Path) -> None:
    write_photos(tmp_path / "input/data/training")
    (tmp_path / "input/config").mkdir()
    said = {"epochs": "1", "batch-size": "8", "version": "2.0.0", "diagnose": "off"}
    (tmp_path / "input/config/hyperparameters.json").write_text(json.dumps(said))
    (tmp_path / "input/config/inputdataconfig.json").write_text(json.dumps({"training": {}}))
    docker("run", "--rm", f"--volume={tmp_path}:/opt/ml", images("training"), "train")
    assert (tmp_path / "model/model.pt").exists()


@pytest.mark.parametrize("target", ["service", "proxy", "training"])
def test_no_secret_is_in_a_layer(images: Build, target: str, tmp_path: Path) -> None:
    """Of the repository's secrets, and of what a developer's folder holds besides the sources."""
    secrets = [b"only-for-the-local-s3-server"]
    archive = tmp_path / "image.tar"
    docker("save", f"--output={archive}", images(target))
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


def test_compose_serves_the_bundled_model() -> None:
    with up() as project, project.client("SERVICE_PORT") as client:
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"
        host = project.container("service")["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] == 2 * 1024**3
        assert host["NanoCpus"] > 0
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        project.compose("stop")
        assert project.container("service")["State"]["ExitCode"] == 0


def test_compose_serves_a_release_from_s3_and_takes_the_next(tmp_path: Path) -> None:
    with up("service-s3", profile="s3") as project, project.client("S3_SERVICE_PORT") as client:
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"
        assert project.container("publish")["State"]["ExitCode"] == 0
        # Another one is published, and the service that runs takes it.
        other_version(ROOT / "app/bundled/model.pt", "99.0.0", tmp_path / "model.pt")
        tmp_path.chmod(0o755)
        there = ("--rm", "--no-deps", f"--volume={tmp_path}:/new:ro", "publish")
        publish = ("publish", "/new/model.pt", "s3://models/garments")
        project.compose("--profile=s3", "run", *there, *publish)
        end = time.monotonic() + START_SECONDS
        while (answer := post_sample(client)).json()["model"]["version"] != "99.0.0":
            assert answer.is_success, answer.text
            assert time.monotonic() < end, project.logs()
            time.sleep(0.5)
        # S3 is gone, and the verified copy in the volume serves on, also after a start.
        project.compose("--profile=s3", "kill", "s3")
        assert post_sample(client).is_success
        project.compose("--profile=s3", "restart", "--no-deps", "service-s3")
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"


def test_compose_calls_an_endpoint_through_the_proxy() -> None:
    with up("proxy", profile="proxy") as project, project.client("PROXY_PORT") as client:
        wait_for(client, "/health/ready", 200)
        answer = post_sample(client).json()
        assert answer["label"] == "Ankle boot"
        assert answer["model"]["variant"] == "local"
        # Nothing is left that answers: told as such, and made good when the endpoint is back.
        project.compose("--profile=proxy", "kill", "endpoint")
        assert post_sample(client).status_code == 503
        wait_for(client, "/health/ready", 503)
        project.compose("--profile=proxy", "start", "endpoint")
        wait_for(client, "/health/ready", 200)
        assert post_sample(client).json()["label"] == "Ankle boot"


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


def write_photos(source: Path) -> None:
    """A few images of each category, in the splits that training takes."""
    from app.artifact import CATEGORIES
    from tests.app.conftest import encode, photo

    for split in ("train", "valid"):
        for category in CATEGORIES:
            folder = source / split / category.replace("/", "-")
            folder.mkdir(parents=True)
            for number in range(2):
                (folder / f"{number}.png").write_bytes(encode(photo(40, 40), "PNG"))
