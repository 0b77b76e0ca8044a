"""The process: `python -m app` as an operator starts it."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from app.artifact import Artifact
from tests.app.conftest import encode, photo


def command(**environment: str) -> dict[str, object]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("GARMENT_")}
    return {
        "args": [sys.executable, "-m", "app"],
        "env": {**inherited, "OMP_NUM_THREADS": "1", **environment},
        "cwd": Path(__file__).parents[2],
        "text": True,
        "stderr": subprocess.PIPE,
        "stdout": subprocess.PIPE,
    }


def run(**environment: str) -> tuple[int, str]:
    done = subprocess.run(**command(**environment), timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_wrong_setting() -> None:
    status, errors = run(GARMENT_PORT="abc")
    assert status == 2
    assert errors.startswith("error: GARMENT_PORT=abc: ")
    assert errors.count("\n") == 1


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, errors = run(GARMENT_PORT=str(port))
    assert status == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in errors
    assert "Traceback" not in errors


def test_a_host_that_no_name_can_be() -> None:
    status, errors = run(GARMENT_HOST="127..0.0.1", GARMENT_PORT="0")
    assert status == 1
    assert "cannot listen on 127..0.0.1 port 0: No name of a host" in errors
    assert "Traceback" not in errors


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    status, errors = run(GARMENT_MODEL=str(tmp_path / "no.pt"), GARMENT_PORT="0")
    assert status == 1
    last = json.loads(errors.splitlines()[-1])  # every line can be read by who collects them
    assert last["level"] == "critical"
    assert last["message"].startswith("cannot serve the model: ")
    assert "no.pt" in last["message"]
    assert "Traceback" not in errors


@pytest.mark.slow
def test_it_serves_until_sigterm(artifact: Artifact, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "GARMENT_MODEL": str(artifact.path),
        "GARMENT_CACHE": str(tmp_path),
        "GARMENT_PORT": str(port),
        "GARMENT_TYPO": "1",
    }
    with subprocess.Popen(**command(**environment)) as process:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=8)) as client:
            until = time.monotonic() + 60
            while client.get("/health/ready").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.1)
            assert client.post("/predict", content=encode(photo(), "PNG")).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "GARMENT_TYPO is not a setting" in errors
    assert '"message": "stopped"' in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_it_takes_as_many_connections_as_the_system_allows() -> None:
    """1,024 of them, a shell's limit, would shut out all others, health checks too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))}
    with subprocess.Popen(**command(GARMENT_PORT="0"), **limit) as process:
        try:
            line = next(line for line in process.stderr if "listening" in line)
            limits = Path(f"/proc/{process.pid}/limits").read_text()
        finally:
            process.kill()
    assert line
    [soft] = re.findall(r"^Max open files +(\d+)", limits, re.M)
    assert int(soft) == min(hard, 65_536)


ENDED_WHILE_IMPORTING = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == os.environ["ENDED_WHILE_IMPORTING"]:
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Finder())
"""


# Before its second start, after it, and where uvicorn begins.
@pytest.mark.parametrize("module", ["app.allocator", "app.process", "uvicorn.loops.auto"])
def test_sigterm_ends_it_while_it_starts(module: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(ENDED_WHILE_IMPORTING)
    environment = {"PYTHONPATH": str(tmp_path), "ENDED_WHILE_IMPORTING": module}
    assert run(GARMENT_PORT="0", **environment)[0] == 0


@pytest.mark.slow
def test_sigterm_does_not_wait_for_a_download(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, never answers
        silent.settimeout(30)
        environment = {
            "GARMENT_MODEL": "s3://shop/garments/model.pt",
            "GARMENT_CACHE": str(tmp_path),
            "GARMENT_PORT": "0",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
        }
        with subprocess.Popen(**command(**environment)) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGTERM)
            try:
                _, errors = process.communicate(timeout=10)
            finally:
                process.kill()
                connection.close()
    assert process.returncode == 0
    assert "Traceback" not in errors
