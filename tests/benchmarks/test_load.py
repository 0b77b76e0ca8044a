"""The load generator tells what a server did: run against servers that behave in known ways."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from multipart import MultipartParser, parse_options_header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LOAD = Path(__file__).parent / "serving" / "load.py"
SAMPLE = Path(__file__).parents[1] / "samples" / "ankle-boot.png"


@contextmanager
def serving(answer: Callable[[Request], Any]) -> Iterator[str]:
    """A server whose every answer to POST /predict is `answer`'s; gives its URL."""
    app = Starlette(routes=[Route("/predict", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/predict"
    finally:
        server.should_exit = True
        thread.join()


def load(url: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, str(LOAD), url, str(SAMPLE.parent), "--warm-up", "0", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


async def boot(_: Request) -> Response:
    return JSONResponse({"label": "Ankle boot", "confidence": 1.0})


@pytest.mark.parametrize("raw", [False, True], ids=["form", "raw"])
def test_photos_arrive_whole_and_answers_are_counted(raw: bool) -> None:
    arrived: list[bytes] = []

    async def keep(request: Request) -> Response:
        if raw:
            arrived.append(await request.body())
        else:
            boundary = parse_options_header(request.headers["content-type"])[1]["boundary"]
            form = MultipartParser(io.BytesIO(await request.body()), boundary)
            arrived.append(form.get("file").raw)
        return await boot(request)

    with serving(keep) as url:
        told = load(url, "--connections", "4", "--seconds", "0.5", *(["--raw"] if raw else []))

    assert told["errors"] == {}
    assert set(arrived) == {SAMPLE.read_bytes()}
    assert told["requests"] == len(arrived)
    assert 0 < told["answers"] <= len(arrived)
    assert told["throughput"] == pytest.approx(told["answers"] / 0.5)
    assert 0 < told["p50"] <= told["p95"] <= told["p99"] <= told["max"]


def test_each_connection_has_one_request_under_way_and_is_kept_alive() -> None:
    clients: set[Any] = set()
    under_way = most = 0

    async def watch(request: Request) -> Response:
        nonlocal under_way, most
        clients.add(request.client)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return await boot(request)

    with serving(watch) as url:
        told = load(url, "--connections", "3", "--seconds", "0.5")

    assert told["errors"] == {}
    assert told["answers"] > 3
    assert len(clients) == most == 3


async def unlabelled(_: Request) -> Response:
    return JSONResponse({"label": "Spaceship"})


async def refusing(_: Request) -> Response:
    return Response(status_code=503, headers={"retry-after": "1"})


@pytest.mark.parametrize(("answer", "error"), [(unlabelled, "no label"), (refusing, "status 503")])
def test_wrong_answers_are_errors_by_their_kind(
    answer: Callable[[Request], Any], error: str
) -> None:
    with serving(answer) as url:
        told = load(url, "--connections", "2", "--seconds", "0.5")

    assert told["answers"] == 0
    assert list(told["errors"]) == [error]
    assert told["p50"] is None


def test_retry_after_is_heeded() -> None:
    with serving(refusing) as url:
        told = load(url, "--connections", "2", "--seconds", "0.9")

    assert told["errors"] == {"status 503": 2}


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    told = load(f"http://127.0.0.1:{port}/predict", "--connections", "1", "--seconds", "0.3")

    assert told["answers"] == 0
    assert told["errors"]["no connection"] >= 1


def test_open_loop_counts_from_when_a_request_was_due() -> None:
    """A server that stalls delays all that were due meanwhile, not only the one under way."""

    def stalling() -> Callable[[Request], Any]:
        started = time.perf_counter()
        stalled = False

        async def stall(request: Request) -> Response:
            nonlocal stalled
            if not stalled and time.perf_counter() > started + 0.5:
                stalled = True
                time.sleep(1)  # noqa: ASYNC251  # nothing is answered meanwhile
            return await boot(request)

        return stall

    with serving(stalling()) as url:
        opened = load(url, "--rate", "100", "--connections", "4", "--seconds", "2")
    with serving(stalling()) as url:
        closed = load(url, "--connections", "4", "--seconds", "2")

    assert opened["errors"] == closed["errors"] == {}
    assert opened["answers"] == pytest.approx(200, abs=70)
    assert opened["p95"] > 500
    assert closed["p95"] < 500
