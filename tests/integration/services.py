"""Processes of the service as an operator starts them: the endpoint's container, and the proxy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0


@dataclass
class Process:
    """A running service."""

    popen: subprocess.Popen
    client: httpx.Client
    log: Path

    def stop(self) -> int:
        """As Docker and SageMaker do; the exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


@contextmanager
def started(
    log: Path, environment: Mapping[str, str], *arguments: str, ready: str = "/health/ready"
) -> Iterator[Process]:
    """`python -m app` with nothing of this process's GARMENT_ and AWS_ variables.

    Args:
        log: file for what it writes.
        environment: its variables; the port is chosen here.
        arguments: such as `serve`.
        ready: the path that answers 200 when it is; empty: it is not waited for.
    """
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GARMENT_", "AWS_"))}
    where = {"SAGEMAKER_BIND_TO_PORT": str(port)} if arguments else {"GARMENT_PORT": str(port)}
    with log.open("wb") as file:
        popen = subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env={**kept, "GARMENT_THREADS": "1", **where, **environment},
            stdout=file,
            stderr=file,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            process = Process(popen, client, log)
            if ready:
                wait_for(process, ready, 200)
            yield process
    finally:
        popen.kill()
        popen.wait()


def wait_for(process: Process, path: str, status: int) -> httpx.Response:
    """Until `path` answers with `status`."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.popen.poll() is None:
        try:
            response = process.client.get(path)
            if response.status_code == status:
                return response
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{path} never answered {status}:\n{process.log.read_text()[-2000:]}")
