"""Real processes beside the one that speaks HTTP: what they answer, and how they end."""

import asyncio
import dataclasses
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from app.artifact import Artifact
from app.engines import Engine
from app.engines.loading import load_engine
from app.errors import CorruptImage, EmptyBody, ImageTooLarge, UnsupportedFormat
from app.images import LargeImage
from app.lanes import LaneClosed
from app.predictors import crew, local
from app.predictors.crew import Crew, Worker
from app.predictors.judging import Judged, judge, prepare
from app.predictors.local import LocalPredictor
from app.predictors.messages import Job
from app.telemetry import Metrics
from tests.app.conftest import (
    Running,
    encode,
    metric,
    photo,
    png_bomb,
    running,
    settings,
    until,
    write_artifact,
)

MAX_PIXELS = 50_000_000


def photos(count: int) -> list[bytes]:
    """All different."""
    random = np.random.default_rng(5)
    edges = random.integers(20, 300, (count, 2))
    images = [random.integers(0, 256, (*edge, 3), dtype=np.uint8) for edge in edges]
    return [encode(Image.fromarray(image), "JPEG", quality=60) for image in images]


@pytest.fixture(scope="module")
def engine(artifact: Artifact) -> Engine:
    return load_engine(artifact, "float32", threads=1, batch_size=4, choice="openvino")


@pytest.fixture(scope="module")
def job(artifact: Artifact) -> Job:
    return Job(
        model=artifact.path.resolve(),
        sha256=artifact.sha256,
        engine="openvino",
        precision="float32",
        threads=1,
        batch_size=4,
        max_pixels=MAX_PIXELS,
        log_format="text",
        log_level="error",
    )


def with_worker(job: Job, use: Callable[[Worker], Awaitable[None]]) -> None:
    async def main() -> None:
        worker = await Worker.start(job, 30, Metrics())
        try:
            await use(worker)
        finally:
            await worker.end()

    asyncio.run(main())


def test_a_worker_answers_as_this_process_does(job: Job, engine: Engine) -> None:
    files = photos(4)
    prepared = prepare(engine, MAX_PIXELS, files[0], None)

    async def use(worker: Worker) -> None:
        assert await worker.ready() is None
        # Two batches at a time, as the crew gives them.
        both = await asyncio.gather(worker.run([*files]), worker.run([prepared]))
        known = judge(engine, MAX_PIXELS, files)
        for ours, theirs in zip([*known, known[0]], [*both[0], *both[1]], strict=True):
            assert isinstance(ours, Judged)
            assert isinstance(theirs, Judged)
            assert ours.scores.probabilities == pytest.approx(theirs.scores.probabilities, abs=1e-5)
            assert ours.scores.background == theirs.scores.background
            assert (ours.shortest_edge, ours.blank) == (theirs.shortest_edge, theirs.blank)
        assert both[0][0].decode_seconds > 0
        assert both[1][0].decode_seconds == 0

    with_worker(job, use)


def test_what_cannot_be_decoded_harms_nothing_else(job: Job) -> None:
    good = photos(1)[0]
    wide = encode(Image.new("L", (4000, 400)), "PNG")
    bad = [b"", b"text", good[:200], png_bomb(), wide]

    async def use(worker: Worker) -> None:
        assert await worker.ready() is None
        *errors, answer = await worker.run([*bad, good])
        assert [type(error) for error in errors] == [
            EmptyBody,
            UnsupportedFormat,
            CorruptImage,
            ImageTooLarge,
            LargeImage,
        ]
        assert "50,000,000" in str(errors[3])
        assert isinstance(answer, Judged)

    with_worker(job, use)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "0" * 64}, "is another model now"),
        ({"model": Path("/nowhere/model.pt")}, "/nowhere/model.pt"),
    ],
)
def test_a_worker_says_why_it_cannot_begin(job: Job, change: dict[str, object], said: str) -> None:
    async def use(worker: Worker) -> None:
        reason = await worker.ready()
        assert reason is not None
        assert said in reason

    with_worker(dataclasses.replace(job, **change), use)


def test_a_start_that_is_given_up_leaves_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of a socket that is closed too early may be a client's by then."""
    begun, go_on = threading.Event(), threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def slowly(command: list[str], **named: Any) -> subprocess.Popen[bytes]:
        begun.set()
        assert go_on.wait(20)
        [number] = named["pass_fds"]
        assert stat.S_ISSOCK(os.fstat(number).st_mode)
        started.append(popen(command, **named))
        return started[-1]

    async def main() -> None:
        members = Crew([job], None, 1.0, Metrics())
        assert await asyncio.to_thread(begun.wait, 20)
        closing = asyncio.create_task(members.close())
        await asyncio.sleep(0.01)
        go_on.set()
        await closing
        [process] = started
        assert process.returncode is not None

    popen = subprocess.Popen
    monkeypatch.setattr(crew.subprocess, "Popen", slowly)
    asyncio.run(main())


@pytest.fixture
def service(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Of two processes, and a new one at once where one ends."""
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.1)
    values = settings(
        model=str(artifact.path), engine="openvino", threads=2, processes=2, deadline_seconds=30
    )
    with running(values) as server:
        until(lambda: metric(server.client, "garment_worker_processes") == 1)
        yield server


def worker_process() -> psutil.Process:
    """The only child of this process that is one."""
    children = psutil.Process().children()
    [found] = [one for one in children if "app.predictors.worker" in one.cmdline()]
    return found


def post_all(server: Running, files: list[bytes]) -> list[dict[str, object]]:
    def post(file: bytes) -> dict[str, object]:
        response = server.client.post("/predict", content=file)
        assert response.status_code == 200
        answer: dict[str, object] = response.json()
        return answer

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(post, files))


def test_both_processes_answer_and_none_is_left(service: Running) -> None:
    files = photos(60)
    member = worker_process()
    before = metric(service.client, "garment_worker_cpu_seconds_total")
    alone = [service.client.post("/predict", content=file).json() for file in files]
    together = post_all(service, files)
    for one, other in zip(alone, together, strict=True):
        assert one["probabilities"][0]["label"] == other["label"]
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-4)
        assert all(value >= 0 for value in other["timings_ms"].values() if value is not None)
    after = metric(service.client, "garment_worker_cpu_seconds_total")
    assert before < after <= sum(member.cpu_times()[:2]) + 0.1
    assert metric(service.client, "garment_worker_memory_bytes") > 50e6
    service.stop()
    service.thread.join(20)
    assert not member.is_running()


def test_large_and_explained_photos_are_answered_beside_them(service: Running) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 500, 3), dtype=np.uint8)
    files = [
        encode(Image.fromarray(noise), "PNG"),  # many bytes
        encode(Image.new("RGB", (3000, 2000), "white"), "PNG"),  # few bytes, many pixels
        encode(photo(), "JPEG"),
    ]
    for file in files:
        plain = service.client.post("/predict", content=file).json()
        explained = service.client.post("/predict?explain=true", content=file).json()
        assert plain["label"] == explained["label"]
        assert explained["explanation"]["heatmap"].startswith("data:image/png;base64,")
        assert plain["timings_ms"]["decode"] > 0


def test_a_worker_that_is_killed_loses_no_photo(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    member = worker_process()
    member.suspend()  # so that it holds what it is given
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(post_all, service, photos(40))
        time.sleep(0.5)
        member.kill()
        assert len(answers.result()) == 40
    until(lambda: metric(service.client, "garment_worker_processes") == 1)
    assert worker_process() != member
    assert "a worker process ended: signal 9; the next starts in" in caplog.text
    assert len(post_all(service, photos(10))) == 10


POISON = b"ends its worker"


@pytest.fixture
def poisoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers, and they alone, are ended by POISON, as a decoder with a fault would end them."""
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import os, signal, sys
sys.path.append({str(crew.ROOT)!r})
from app import images
decode = images.decode
def end(photo, **named):
    if photo == {POISON!r}:
        os.kill(os.getpid(), signal.SIGSEGV)
    return decode(photo, **named)
images.decode = end
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.slow
def test_a_photo_that_ends_two_workers_fails_and_harms_nothing_else(
    poisoned: None, service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(1) as pool:
        bad = pool.submit(service.client.post, "/predict", content=POISON)
        # Alone, it is the worker's; beside others, this process might take it first.
        until(lambda: "a worker process ended: signal 11" in caplog.text)
        while not bad.done():
            assert len(post_all(service, photos(5))) == 5
    answer = bad.result()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    ends = [one for one in caplog.messages if "a worker process ended: signal 11" in one]
    assert len(ends) == 2
    until(lambda: metric(service.client, "garment_worker_processes") == 1)
    assert len(post_all(service, photos(10))) == 10


def test_a_worker_that_ends_while_idle_is_replaced_and_fails_no_photo(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    member = worker_process()
    member.kill()
    until(lambda: metric(service.client, "garment_worker_processes") == 0)
    until(lambda: metric(service.client, "garment_worker_processes") == 1)
    assert "a worker process ended: signal 9; the next starts in" in caplog.text
    assert worker_process() != member
    assert len(post_all(service, photos(10))) == 10


def test_a_photo_that_meets_a_worker_that_has_just_ended_is_answered(
    job: Job, engine: Engine
) -> None:
    async def use(worker: Worker) -> None:
        assert await worker.ready() is None
        worker._process.kill()
        worker._process.wait(10)
        # Before this loop has had a turn to notice, and after.
        for _ in range(2):
            with pytest.raises(LaneClosed):
                await worker.run([*photos(1)])
        assert await worker.reason() == "signal 9"

    with_worker(job, use)


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(crew, "END_SECONDS", 0.2)
    values = settings(
        model=str(artifact.path), engine="openvino", threads=2, processes=2, deadline_seconds=0.5
    )
    with running(values) as server, ThreadPoolExecutor(16) as pool:
        until(lambda: metric(server.client, "garment_worker_processes") == 1)
        member = worker_process()
        member.suspend()
        file = photos(1)[0]
        statuses = list(
            pool.map(lambda _: server.client.post("/predict", content=file).status_code, range(40))
        )
        assert set(statuses) == {200, 504}  # what it held was too late
        until(lambda: not member.is_running())
        until(lambda: metric(server.client, "garment_worker_processes") == 1)
        until(lambda: server.client.post("/predict", content=file).status_code == 200)


@pytest.mark.slow
def test_without_a_worker_the_service_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its file is another one by the time that the worker is started."""
    model = tmp_path / "model.pt"
    write_artifact(model, 0.05)
    values = settings(model=str(model), engine="torchscript", threads=2, processes=2)
    with running(values) as server:
        write_artifact(model, 0.1)
        until(lambda: "is another model now" in caplog.text)
        assert server.client.get("/health/ready").status_code == 200
        assert len(post_all(server, photos(10))) == 10
        assert metric(server.client, "garment_worker_processes") == 0


@pytest.mark.parametrize("error", [OSError("no memory"), RuntimeError("can't start new thread")])
def test_a_worker_that_always_ends_is_started_ever_less_often(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(crew, "MAX_PAUSE_SECONDS", 0.05)
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(seconds)

    async def main() -> None:
        monkeypatch.setattr(crew.asyncio, "sleep", pause)
        monkeypatch.setattr(crew.Worker, "start", cannot_start)
        members = Crew([None], None, 1.0, Metrics())
        async with asyncio.timeout(10):
            while len(pauses) < 5:
                await sleep(0.01)
        await members.close()

    async def cannot_start(*_: object) -> Worker:
        raise error

    asyncio.run(main())
    assert pauses[:5] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert f"it could not be started, or ended: {error}" in caplog.text


@pytest.mark.parametrize("cores", range(1, 65))
def test_all_cores_have_a_thread(
    cores: int, artifact: Artifact, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def load(_artifact: Artifact, _precision: str, own: int, *_: object, **__: object) -> Engine:
        threads.append(own)
        return engine

    def hire(_: LocalPredictor, jobs: list[Job]) -> None:
        threads.extend(job.threads for job in jobs)

    async def main() -> None:
        values = settings(model=str(artifact.path), threads=0, processes=0)
        await (await LocalPredictor.load(values, Metrics())).close()

    monkeypatch.setattr(local, "available_cores", lambda: cores)
    monkeypatch.setattr(local, "available_memory", lambda: 2**40)
    monkeypatch.setattr(local, "load_engine", load)
    monkeypatch.setattr(LocalPredictor, "hire", hire)
    asyncio.run(main())
    assert len(threads) == min(cores, 4)
    assert sum(threads) == cores
    assert threads[0] == min(threads)  # it speaks HTTP besides
    assert max(threads) - min(threads) <= 1


@pytest.mark.slow
def test_workers_end_with_a_process_that_is_killed(artifact: Artifact) -> None:
    environment = {
        "GARMENT_MODEL": str(artifact.path),
        "GARMENT_PROCESSES": "3",
        "GARMENT_THREADS": "3",
        "GARMENT_PORT": "0",
        "GARMENT_ENGINE": "openvino",
        "GARMENT_PRECISION": "float32",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "app"], env=os.environ | environment, stderr=subprocess.DEVNULL
    ) as process:
        members: list[psutil.Process] = []

        def started() -> bool:
            members[:] = psutil.Process(process.pid).children()
            return len(members) == 2 and all(one.num_threads() > 1 for one in members)

        until(started)
        process.send_signal(signal.SIGKILL)
    until(lambda: not any(one.is_running() for one in members))
