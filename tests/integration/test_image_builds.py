"""What an image is built from, what a registry gets, and what is in none of its layers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.containers import (
    ALL,
    MB,
    NEEDS_ENGINE,
    README,
    ROOT,
    build,
    copy_of_checkout,
    docker,
    running,
)
from tests.integration.registry import registry

pytestmark = [*NEEDS_ENGINE, pytest.mark.timeout(900)]

PLANTED = b"planted-by-a-test-of-the-images"
# The repository's own, and what a developer's folder may hold besides the sources.
SECRETS = [b"only-for-the-local-s3-server", PLANTED]
FILES = (".env", "credentials", ".aws/credentials", "app/.env", "training/.env", "docker/.env")
OURS = {
    "service": "srv/garment/app/bundled/model.pt",
    "service-slim": "srv/garment/app/bundled/model.pt",
    "proxy": "srv/garment/app/__main__.py",
    "training": "srv/garment/training/__main__.py",
}


@pytest.fixture(scope="module")
def with_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A developer's folder."""
    folder = copy_of_checkout(tmp_path_factory.mktemp("secrets"))
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(PLANTED)
    return folder


def test_no_secret_reaches_the_builder(with_secrets: Path) -> None:
    """Where the cache of the build would keep it."""
    look = (
        f"FROM python:3.11-slim-bookworm\nCOPY . /there\nRUN ! grep -rl {PLANTED.decode()} /there\n"
    )
    ignored = with_secrets / "look.Dockerfile"
    ignored.write_text(look)
    docker("build", f"--file={ignored}", str(with_secrets))


@pytest.mark.parametrize("target", ALL)
def test_no_secret_is_in_a_layer(target: str, with_secrets: Path, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    docker("save", f"--output={archive}", build(target, with_secrets))
    names = set()
    for name, content in contents(archive):
        names.add(name)
        assert not [secret for secret in SECRETS if secret in content], name
    assert OURS[target] in names
    ours = {name for name in names if name.startswith("srv/garment/")}
    tops = {name.split("/")[2] for name in ours}
    assert tops <= {"app", "docker", "training", "garment_classifier-0.1.0.dist-info"}
    caches = ("root/.cache/pip/", "var/cache/pip/")
    assert not [name for name in names if "/.git/" in name or name.startswith(caches)]
    assert not [name for name in names if Path(name).name in (".env", "credentials")]


def contents(archive: Path) -> Iterator[tuple[str, bytes]]:
    """All files of all layers, compressed or not, and what describes the image.

    Of large ones the first megabyte.
    """
    with tarfile.open(archive) as image:
        [described] = json.load(image.extractfile("manifest.json"))
        assert described["Layers"]
        for member in filter(tarfile.TarInfo.isfile, image):
            if member.name not in described["Layers"]:
                yield member.name, image.extractfile(member).read(MB)
        for name in described["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name), mode="r:*") as layer:
                for member in layer:
                    yield (
                        member.name,
                        layer.extractfile(member).read(MB) if member.isfile() else b"",
                    )


def test_a_clone_that_only_its_owner_may_read_gives_an_image_that_works(tmp_path: Path) -> None:
    """As under umask 077, with the smallest image."""
    folder = copy_of_checkout(tmp_path / "umask")
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    endpoint = ("--env=GARMENT_ENDPOINT_NAME=garments", "--env=AWS_REGION=us-east-1")
    nobody = "--env=AWS_ENDPOINT_URL=http://127.0.0.1:9"
    keys = ("--env=AWS_ACCESS_KEY_ID=none", "--env=AWS_SECRET_ACCESS_KEY=none")
    with running(build("proxy", folder), *endpoint, nobody, *keys) as container:
        check = ["docker", "exec", container.id, "python", "docker/healthcheck.py"]
        while "not ready: HTTP Error 503" not in (
            said := subprocess.run(check, capture_output=True, text=True).stderr
        ):
            assert "Connection refused" in said, said
        assert container.client.get("/").is_success
        assert container.client.get("/docs").is_success


def test_every_file_of_a_checkout_that_an_image_has_is_readable() -> None:
    """Others come as packages, which pip unpacks for everybody."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    for stage in re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[1:]:
        name = stage.splitlines()[0].rpartition(" ")[2]
        if name not in ("packages", "code"):  # from these, only what pip made is taken
            copied = re.findall(r"^COPY (?!--from)(.*)$", stage, re.MULTILINE)
            assert all(words.startswith("--chmod=644 ") for words in copied), name


def test_an_image_has_no_other_pytorch_where_the_cpus_cannot_be_had() -> None:
    index = "--build-arg=TORCH_INDEX=https://127.0.0.1:9/whl/cpu"
    command = ["docker", "build", "--file=docker/Dockerfile", "--target=torch-packages", index, "."]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode != 0
    assert "https://127.0.0.1:9/whl/cpu cannot be reached, and the CPU build" in said.stderr
    assert "set TORCH_INDEX to another" in said.stderr


def test_the_readmes_command_pushes_what_sagemaker_takes() -> None:
    """An image of Docker's types and no index: it says so of OCI's. By the smallest image."""
    [line] = re.findall(r"^docker buildx build --platform .*$", README, re.MULTILINE)
    [there] = re.findall(r"name=([\w.-]+)/garments:", line)
    with registry() as ours:
        line = line.replace(there, ours.address).replace("--target service ", "--target proxy ")
        said = subprocess.run(shlex.split(line), cwd=ROOT, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        kind, manifest = ours.manifests["1.0.0"]
        described = json.loads(manifest)
        assert kind == described["mediaType"]
        assert kind == "application/vnd.docker.distribution.manifest.v2+json"
        assert {layer["digest"] for layer in described["layers"]} <= ours.layers.keys()
