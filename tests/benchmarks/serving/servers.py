"""The servers that are compared: how each is started, and what its processes use."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import psutil
from client import LABELS, request_bytes
from environments import ROOT, python_of

BASELINES = Path(__file__).resolve().parent / "baselines"
START_SECONDS = 120.0
"""How long a server may take to its first answer."""


@dataclass(frozen=True)
class Server:
    """How a server is started; `{port}` in the command is filled in."""

    name: str
    title: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    ours: bool = False


@dataclass(frozen=True)
class Running:
    """A server that has answered its first photo."""

    server: Server
    url: str
    process: psutil.Process
    start_seconds: float
    """From the start of its process to its first answer."""

    def tree(self) -> list[psutil.Process]:
        """Its processes."""
        return [self.process, *self.process.children(recursive=True)]

    def pause(self) -> None:
        """Let none of its processes run: some look for work all the time, and slow others down."""
        for process in self.tree():
            process.suspend()

    def resume(self) -> None:
        """Let them run again."""
        for process in self.tree():
            process.resume()

    def cpu_seconds(self) -> float:
        """Of the whole tree, since its start."""
        total = 0.0
        for process in self.tree():
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += used.user + used.system + used.children_user + used.children_system
        return total

    def memory(self) -> float:
        """Of the whole tree, in MB: PSS on Linux, where a shared page counts once, else USS."""
        total = 0
        for process in self.tree():
            try:
                used = process.memory_full_info()
            except psutil.NoSuchProcess:
                continue
            total += getattr(used, "pss", used.uss)
        return total / 1e6

    @contextmanager
    def peak_memory(self) -> Iterator[list[float]]:
        """Look at the memory again and again; the list's only entry is the highest, in MB."""
        peak, ended = [self.memory()], Event()

        def watch() -> None:
            while not ended.wait(0.1):
                peak[0] = max(peak[0], self.memory())

        watcher = Thread(target=watch)
        watcher.start()
        try:
            yield peak
        finally:
            ended.set()
            watcher.join()


def ours(name: str, settings: dict[str, str]) -> Server:
    """This service, with settings such as `GARMENT_ENGINE`."""
    title = "ours" + (
        f" ({', '.join(f'{k}={v}' for k, v in settings.items())})" if settings else ""
    )
    environment = settings | {"GARMENT_PORT": "{port}"}
    return Server(name, title, (sys.executable, "-m", "app"), environment, ours=True)


def baselines(names: list[str], environments: Path, model: Path) -> list[Server]:
    """Those of the baselines that are named: tutorial, tuned, litserve."""
    made = []
    environment = {"BENCH_MODEL": str(model)}
    if {"tutorial", "tuned"} & set(names):
        python = str(python_of("tutorial", environments))
        uvicorn = (python, "-m", "uvicorn", "tutorial:app", "--port", "{port}")
        made += [
            Server("tutorial", "FastAPI, the tutorial", uvicorn, environment, BASELINES),
            Server(
                "tuned",
                "FastAPI, 2 workers of 1 thread",
                (*uvicorn, "--workers", "2", "--log-level", "error"),
                environment | {"BENCH_THREADS": "1"},
                BASELINES,
            ),
        ]
    if "litserve" in names:
        python = str(python_of("litserve", environments))
        lit = (python, "lit.py", "--port", "{port}")
        made.append(Server("litserve", "LitServe, batching", lit, environment, BASELINES))
    return [one for one in made if one.name in names]


@contextmanager
def running(server: Server, photo: Path, log: Path) -> Iterator[Running]:
    """The server, once it has answered `photo`; what it prints goes to `log`.

    Raises:
        SystemExit: it ended, or did not answer in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}/predict"
    environment = os.environ | {k: v.format(port=port) for k, v in server.environment.items()}
    request = request_bytes(url, photo)
    started = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [part.format(port=port) for part in server.command],
            env=environment,
            cwd=server.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not _answers(int(port), request):
            if process.poll() is not None or time.perf_counter() > started + START_SECONDS:
                raise SystemExit(f"{server.title} does not answer; see {log}")
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        yield Running(server, url, psutil.Process(process.pid), seconds)
    finally:
        _stop(process)


def _answers(port: int, request: bytes) -> bool:
    """Whether a prediction comes back."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            body = response.read()
            return response.status == 200 and any(label in body for label in LABELS)
    except (OSError, http.client.HTTPException):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and all its processes, which are one session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
