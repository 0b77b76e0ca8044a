"""Images and compose projects of `docker/`, as tests build, start and end them."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLE = ROOT / "tests/samples/ankle-boot.png"
SERVING = ("service", "service-slim", "proxy")
ALL = (*SERVING, "training")
MB = 1_000_000
START_SECONDS = 240.0  # on a machine that does much else

# What an operator who trusts nobody gives `docker run`.
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
# As the README says: longer than what was accepted may take to finish.
PATIENT = "--stop-timeout=30"


@functools.cache
def why_no_engine() -> str:
    """Why nothing can be built here; empty where an engine with compose answers."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in (["version"], ["buildx", "version"], ["compose", "version"]):
        try:
            said = subprocess.run(["docker", *command], capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return f"docker {' '.join(command)} does not answer"
        if said.returncode:
            return (said.stderr.strip().splitlines() or ["docker fails"])[0]
    return ""


NEEDS_ENGINE = (
    pytest.mark.docker,
    pytest.mark.skipif(bool(why_no_engine()), reason=f"no Docker engine: {why_no_engine()}"),
)


def docker(*arguments: str, check: bool = True) -> str:
    """What a docker command prints."""
    said = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0 or not check, f"docker {' '.join(arguments)}:\n{said.stderr}"
    return said.stdout.strip()


@functools.cache
def build(target: str, context: Path = ROOT, **arguments: str) -> str:
    """Build a target, once in a run of the tests; the image's name."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    told = [] if context == ROOT else [context.name.lower()]
    name = "-".join(["garment-classifier-test", target, *arguments.values(), *told])
    where = f"--file={context}/docker/Dockerfile"
    docker("build", where, f"--target={target}", f"--tag={name}", *given, str(context))
    return name


def copy_of_checkout(folder: Path) -> Path:
    """What a clone of this checkout would have, as it is now."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    said = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in said.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def inspect(image: str) -> dict[str, Any]:
    """An image's or a container's description."""
    return dict(json.loads(docker("inspect", image))[0])


@dataclass
class Container:
    """A running container, with its published port."""

    id: str
    client: httpx.Client

    def log(self) -> str:
        said = subprocess.run(["docker", "logs", self.id], capture_output=True, text=True)
        return said.stdout + said.stderr

    def python(self, code: str) -> str:
        """What code prints that runs beside the service."""
        return docker("exec", self.id, "python", "-c", code)

    def stop(self) -> int:
        """As an operator does; the exit status (137: it was killed)."""
        docker("stop", self.id)
        return int(inspect(self.id)["State"]["ExitCode"])

    def wait_until(self, health: str) -> None:
        """Until Docker's own check says so."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            state = inspect(self.id)["State"]
            if state["Health"]["Status"] == health:
                return
            assert state["Running"], self.log()
            time.sleep(0.3)
        raise AssertionError(f"never {health}: {state['Health']}\n{self.log()}")


@contextmanager
def running(image: str, *options: str, arguments: tuple[str, ...] = ()) -> Iterator[Container]:
    """A hardened container; its port (8000, or 8080 as an endpoint) is published."""
    port, inside = free_port(), 8080 if "serve" in arguments else 8000
    publish = f"--publish=127.0.0.1:{port}:{inside}"
    # The image's own check, more often than by default: tests wait for it.
    told = ("--detach", "--health-interval=1s", publish, PATIENT, *HARDENED, *options)
    started = docker("run", *told, image, *arguments)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Container(started, client)
    finally:
        docker("rm", "--force", "--volumes", started)


@dataclass
class Project:
    """A compose project of its own name, with free ports."""

    name: str
    variables: Mapping[str, str]

    def compose(self, *arguments: str, check: bool = True) -> str:
        said = subprocess.run(
            ["docker", "compose", f"--project-name={self.name}", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
        )
        assert said.returncode == 0 or not check, f"{said.stdout}\n{said.stderr}\n{self.logs()}"
        return said.stdout.strip()

    def logs(self) -> str:
        return self.compose(*ALL_PROFILES, "logs", check=False)[-5000:]

    def container(self, service: str) -> dict[str, Any]:
        """The description of a service's container."""
        return inspect(self.compose(*ALL_PROFILES, "ps", "--all", "--quiet", service))

    def is_running(self, service: str) -> bool:
        return bool(self.compose(*ALL_PROFILES, "ps", "--quiet", "--status=running", service))

    def client(self, port: str) -> httpx.Client:
        """For the port that this variable names."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.variables[port]}", timeout=60)


ALL_PROFILES = ("--profile=s3", "--profile=proxy")


@contextmanager
def up(
    *services: str, profile: str = "", target: str = "service", check: bool = True, **more: str
) -> Iterator[Project]:
    """`docker compose up` until all is healthy; everything of it is deleted afterwards.

    Args:
        services: these and what they need; none: all of the profile.
        profile: none: the default.
        target: of the Dockerfile, for the service.
        check: that it comes up.
        more: variables of the compose file.
    """
    names = ("SERVICE_PORT", "S3_SERVICE_PORT", "PROXY_PORT")
    cores = os.cpu_count() or 1  # more than there are is an error
    variables = {name: str(free_port()) for name in names} | {"SERVICE_CPUS": str(min(2, cores))}
    variables |= {"TAG": "test", "SERVICE_TARGET": target, **more}
    project = Project(f"garment-test-{uuid.uuid4().hex[:8]}", variables)
    profiles = [f"--profile={profile}"] if profile else []
    try:
        project.compose(*profiles, "up", "--build", "--detach", *services, check=check)
        yield project
    finally:
        project.compose(*ALL_PROFILES, "down", "--volumes", "--timeout=5", check=False)


def wait_for(client: httpx.Client, path: str, status: int, seconds: float = START_SECONDS) -> None:
    """Until `path` answers with `status`."""
    end = time.monotonic() + seconds
    said: object = None
    while time.monotonic() < end:
        try:
            said = client.get(path).status_code
        except httpx.TransportError as error:
            said = error
        if said == status:
            return
        time.sleep(0.3)
    raise AssertionError(f"{path} never answered {status}; last {said!r}")


def post_sample(client: httpx.Client, path: str = "/predict") -> httpx.Response:
    """The answer to the sample photo of an ankle boot."""
    headers = {"Content-Type": "image/png"}
    return client.post(path, content=SAMPLE.read_bytes(), headers=headers)
