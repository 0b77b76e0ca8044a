"""Another model takes over while the service answers: real artifacts from disk, real predictors.

The same with a real S3 server and a process of its own is in tests/integration/test_reload.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import threading
import time
import weakref
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app import reload
from app.artifact import Artifact, open_artifact
from app.images import decode
from app.predictors import Predictor, PredictorError, judging
from app.predictors.local import LocalPredictor
from app.release import Latest, Manifest, sha256_of
from app.reload import Reloader
from app.service import Service, load_predictor
from app.settings import Settings
from app.store import fetch, s3
from app.store.cache import ArtifactCache
from app.telemetry import Metrics
from tests.app.conftest import (
    CARD,
    KnownEngine,
    Running,
    encode,
    known_png,
    metric,
    photo,
    running,
    settings,
    until,
    write_artifact,
)
from tests.app.fake_s3 import FakeS3
from tests.versions import other_version

FIRST, SECOND = CARD.version, "2.0.0"
PNG = encode(photo(), "PNG")


@pytest.fixture(scope="module")
def second(thin_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny artifact under another version."""
    return other_version(thin_artifact.path, SECOND, tmp_path_factory.mktemp("second") / "model.pt")


@pytest.fixture
def model(thin_artifact: Artifact, tmp_path: Path) -> Path:
    """The file that the service is started with."""
    return shutil.copy(thin_artifact.path, tmp_path / "model.pt")


def put(source: Path, target: Path) -> None:
    """As publishing does: whole or not at all."""
    shutil.copy(source, target.with_name("new")).replace(target)


def looking(model: Path, **values: object) -> Settings:
    """Of a service that looks much more often than settings allow."""
    given = settings(model=str(model), cache=model.parent / "cache", **values)
    return given.model_copy(update={"reload_seconds": 0.05})


def version(client: httpx.Client) -> str:
    return str(client.get("/model").json()["card"]["version"])


def reloads(client: httpx.Client, result: str) -> float:
    return metric(client, f'garment_model_reloads_total{{result="{result}"}}')


@pytest.fixture
def served(model: Path) -> Iterator[Running]:
    """The real thing."""
    with running(looking(model)) as server:
        yield server


def test_another_model_takes_over_and_no_request_fails(
    served: Running, model: Path, second: Path
) -> None:
    client = served.client
    answers: list[httpx.Response] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(client.post("/predict", content=PNG))
            answers.append(client.get("/health/ready"))

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        until(lambda: bool(answers))
        put(second, model)
        until(lambda: version(client) == SECOND)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["model"]["version"] for answer in answers} == {FIRST, SECOND}
    assert client.post("/predict", content=PNG).json()["model"]["version"] == SECOND
    sha256 = open_artifact(second).sha256
    (line,) = [one for one in client.get("/metrics").text.splitlines() if "_model_info{" in one]
    assert f'sha256="{sha256}",version="{SECOND}"' in line
    assert (reloads(client, "ok"), reloads(client, "failed")) == (1, 0)


@pytest.mark.slow
def test_the_very_file_that_was_verified_is_loaded(second: Path, tmp_path: Path) -> None:
    """And not whatever latest.json names by then."""
    for number in ("1", "2"):
        folder = tmp_path / number
        folder.mkdir()
        other_version(second, number, folder / "model.pt")
        size, sha256 = (folder / "model.pt").stat().st_size, sha256_of(folder / "model.pt")
        manifest = Manifest(version=number, sha256=sha256, bytes=size)
        (folder / "manifest.json").write_text(manifest.model_dump_json())

    def name(number: str) -> None:
        latest = Latest(version=number, manifest=f"{number}/manifest.json")
        (tmp_path / "new").write_text(latest.model_dump_json())
        (tmp_path / "new").replace(tmp_path / "latest.json")

    loaded: list[str] = []

    def load(values: Settings, metrics: Metrics) -> Awaitable[Predictor]:
        loaded.append(values.model)
        return load_predictor(values, metrics)

    name("1")
    with running(looking(tmp_path / "latest.json"), load) as server:
        name("2")
        until(lambda: version(server.client) == "2")
    assert loaded == [str(tmp_path / "latest.json"), str(tmp_path / "2" / "model.pt")]


def test_the_same_bytes_are_not_loaded_again(
    served: Running,
    thin_artifact: Artifact,
    model: Path,
    second: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "app.reload")
    until(lambda: "which answers" in caplog.text)
    caplog.clear()
    put(thin_artifact.path, model)
    until(lambda: f"names version {FIRST}, which answers" in caplog.text)
    assert reloads(served.client, "ok") == 0
    put(second, model)
    until(lambda: version(served.client) == SECOND)


def test_what_cannot_be_used_changes_nothing_and_is_told_once(
    served: Running, model: Path, second: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = served.client
    (tmp_path / "text").write_text("no artifact")
    put(tmp_path / "text", model)
    until(lambda: reloads(client, "failed") == 1)
    write_artifact(tmp_path / "wrong.pt", temperature=0.05, golden_of=5, thin=True)
    put(tmp_path / "wrong.pt", model)  # another one is tried at once
    until(lambda: reloads(client, "failed") == 2)
    time.sleep(0.5)  # ten looks
    assert reloads(client, "failed") == 2
    unreadable, wrong = [one for one in caplog.messages if "is not taken" in one]
    assert "cannot be read as an artifact" in unreadable
    assert "answers the model's own golden images wrong" in wrong
    assert f"version {FIRST} answers on" in wrong
    assert client.get("/health/ready").json()["model"]["version"] == FIRST
    assert client.post("/predict", content=PNG).json()["model"]["version"] == FIRST
    put(second, model)
    until(lambda: version(client) == SECOND)


def test_a_file_that_is_gone_for_a_while_is_told_once(
    served: Running, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.reload")
    model.rename(model.with_name("kept"))
    until(lambda: "no such file" in caplog.text)
    time.sleep(0.5)
    assert len([one for one in caplog.messages if "no such file" in one]) == 1
    assert served.client.post("/predict", content=PNG).is_success
    model.with_name("kept").rename(model)
    until(lambda: "can be looked at again" in caplog.text)
    assert (reloads(served.client, "ok"), reloads(served.client, "failed")) == (0, 0)


class Loads:
    """Gives a predictor with an engine of its own for each version, and keeps none."""

    def __init__(self) -> None:
        self.engines = {FIRST: KnownEngine(), SECOND: KnownEngine()}
        self.failures = 0
        self.predictors: list[weakref.ref[LocalPredictor]] = []
        self.pools: list[weakref.ref[ThreadPoolExecutor]] = []

    async def __call__(self, values: Settings, metrics: Metrics) -> Predictor:
        artifact = open_artifact(Path(values.model))
        if artifact.card.version == SECOND and self.failures:
            self.failures -= 1
            raise PredictorError("not this time")
        pool = ThreadPoolExecutor(1)
        engine = self.engines[artifact.card.version]
        predictor = LocalPredictor(artifact, engine, pool, values, metrics)
        self.predictors.append(weakref.ref(predictor))
        self.pools.append(weakref.ref(pool))
        return predictor


@pytest.fixture
def loads() -> Iterator[Loads]:
    loads = Loads()
    for engine in loads.engines.values():
        engine.go_on.set()
    yield loads
    for engine in loads.engines.values():
        engine.go_on.set()


def freed(references: list[weakref.ref]) -> bool:
    gc.collect()
    return references[0]() is None


def test_what_is_under_way_is_answered_by_the_model_before_which_is_then_freed(
    model: Path, second: Path, loads: Loads
) -> None:
    old, new = loads.engines[FIRST], loads.engines[SECOND]
    with running(looking(model), loads) as server, ThreadPoolExecutor(8) as pool:
        client = server.client

        def ask(label: int) -> httpx.Response:
            return client.post("/predict", content=known_png(label))

        old.go_on.clear()
        early = [pool.submit(ask, 0)]
        assert old.started.wait(20)
        early += [pool.submit(ask, label) for label in range(1, 3)]
        until(lambda: metric(client, "garment_queue_depth") == 2)
        put(second, model)
        until(lambda: version(client) == SECOND)
        assert ask(5).json()["model"]["version"] == SECOND
        assert loads.predictors[0]() is not None

        new.go_on.clear()
        new.started.clear()
        late = [pool.submit(ask, 6)]
        assert new.started.wait(20)
        late += [pool.submit(ask, label) for label in range(7, 10)]
        until(lambda: metric(client, "garment_queue_depth") == 3)

        old.go_on.set()
        for label, answer in enumerate(early):
            assert answer.result().json()["class_id"] == label
            assert answer.result().json()["model"]["version"] == FIRST
        until(lambda: freed(loads.predictors) and freed(loads.pools))
        new.go_on.set()
        assert {answer.result().json()["model"]["version"] for answer in late} == {SECOND}


def test_a_photo_that_is_still_being_decoded_is_answered_by_the_model_before(
    model: Path, second: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **named: Any) -> Any:
        decoding.set()
        assert go_on.wait(20)
        return decode(*arguments, **named)

    monkeypatch.setattr(judging, "decode", slowly)
    with running(looking(model), loads) as server, ThreadPoolExecutor(1) as pool:
        early = pool.submit(server.client.post, "/predict", content=known_png(2))
        assert decoding.wait(20)
        put(second, model)
        until(lambda: version(server.client) == SECOND)
        time.sleep(0.2)
        go_on.set()
        assert early.result().json()["model"]["version"] == FIRST
        until(lambda: freed(loads.predictors))


def test_what_failed_is_tried_again_after_a_while(
    model: Path, second: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "RETRY_SECONDS", 0.2)
    loads.failures = 2
    with running(looking(model), loads) as server:
        begun = time.monotonic()
        put(second, model)
        until(lambda: version(server.client) == SECOND)
        assert time.monotonic() - begun > 0.2 + 0.4  # the second time, after twice that
        assert (reloads(server.client, "failed"), reloads(server.client, "ok")) == (2, 1)


def test_a_release_that_s3_does_not_give_now_is_tried_again(
    thin_artifact: Artifact,
    second: Path,
    loads: Loads,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though it was seen, and the copy of the one before might do for a start."""
    fake = FakeS3()

    def publish(path: Path, number: str) -> None:
        size, sha256 = path.stat().st_size, sha256_of(path)
        manifest = Manifest(version=number, sha256=sha256, bytes=size)
        latest = Latest(version=number, manifest=f"{number}/manifest.json")
        fake.objects |= {
            f"garments/{number}/model.pt": path.read_bytes(),
            f"garments/{number}/manifest.json": manifest.model_dump_json().encode(),
            "garments/latest.json": latest.model_dump_json().encode(),
        }

    monkeypatch.setattr(s3, "connected", lambda _: contextlib.nullcontext(fake))
    monkeypatch.setattr(reload, "RETRY_SECONDS", 0.2)
    publish(thin_artifact.path, "1.0.0")
    values = looking(tmp_path / "model.pt").model_copy(
        update={"model": "s3://shop/garments/latest.json"}
    )

    async def load(given: Settings, metrics: Metrics) -> Predictor:
        found = fetch(given.model, given.cache)
        return await loads(given.model_copy(update={"model": str(found.path)}), metrics)

    with running(values, load) as server:
        assert version(server.client) == FIRST
        fake.breaks_off = 3
        publish(second, SECOND)
        until(lambda: reloads(server.client, "failed") == 1)
        until(lambda: version(server.client) == SECOND)


class Leaving:
    """A predictor that takes its time to close."""

    def __init__(self) -> None:
        self.closing, self.may_close, self.closed = asyncio.Event(), asyncio.Event(), False

    async def close(self) -> None:
        self.closing.set()
        await self.may_close.wait()
        self.closed = True


def test_it_ends_only_when_the_model_before_is_closed(
    model: Path, second: Path, loads: Loads
) -> None:
    async def main() -> None:
        before, values, taken = Leaving(), looking(model), []

        async def load(given: Settings) -> Predictor:
            return await loads(given, Metrics())

        first = await load(values)

        def swap(new: Predictor) -> Predictor:
            taken.append(new)
            return before

        reloader = Reloader(values, Metrics(), load, swap)
        task = asyncio.create_task(reloader.run(first.model))
        put(second, model)
        async with asyncio.timeout(20):
            await before.closing.wait()
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
        assert not task.done()
        before.may_close.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert before.closed
        for one in (first, *taken):
            await one.close()

    asyncio.run(main())


def test_what_keeps_failing_is_tried_ever_less_often_and_another_at_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(reload, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(reload, "SETTLE_SECONDS", 0.0)

    async def main() -> None:
        loads = Loads()
        first = await loads(looking(model), Metrics())
        reloader = Reloader(looking(model), Metrics(), pytest.fail, pytest.fail)

        async def pauses(turns: int) -> list[int]:
            """Between so many attempts, of which none comes a second before its time."""
            found = []
            for _ in range(turns):
                caplog.clear()
                await reloader._turn(first.model)
                (said,) = [one for one in caplog.messages if "is not taken" in one]
                found.append(int(said.split(" in ")[-1].split()[0]))
                now[0] += found[-1] - 1
                caplog.clear()
                await reloader._turn(first.model)
                assert not caplog.messages
                now[0] += 1
            return found

        for name in ("text", "other"):
            (tmp_path / name).write_text(name)
            put(tmp_path / name, model)
            assert await pauses(9) == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
            now[0] -= 1  # another one does not wait for its time
        await first.close()

    asyncio.run(main())


def test_it_stops_while_another_model_is_being_loaded(
    model: Path, second: Path, loads: Loads
) -> None:
    begun = threading.Event()

    async def load(values: Settings, metrics: Metrics) -> Predictor:
        if loads.predictors:
            begun.set()
            await asyncio.Event().wait()
        return await loads(values, metrics)

    with running(looking(model), load) as server:
        put(second, model)
        assert begun.wait(20)
        assert server.client.post("/predict", content=known_png(3)).json()["class_id"] == 3
        server.stop()
        server.thread.join(10)
        assert not server.thread.is_alive()


def test_it_stops_while_the_model_before_still_answers(
    model: Path, second: Path, loads: Loads
) -> None:
    old = loads.engines[FIRST]
    with running(looking(model), loads) as server, ThreadPoolExecutor(1) as pool:
        old.go_on.clear()
        early = pool.submit(server.client.post, "/predict", content=known_png(4))
        assert old.started.wait(20)
        put(second, model)
        until(lambda: version(server.client) == SECOND)
        server.stop()
        time.sleep(0.2)
        assert server.thread.is_alive()
        old.go_on.set()
        assert early.result().json()["class_id"] == 4
        server.thread.join(10)
        assert not server.thread.is_alive()


def test_the_file_of_the_model_that_answers_stays_in_the_cache(
    thin_artifact: Artifact, tmp_path: Path, loads: Loads
) -> None:
    """Though another one is named, which may never answer: workers are started from it."""
    cache = ArtifactCache(tmp_path)
    with cache.partial() as partial:
        shutil.copy(thin_artifact.path, partial)
        path = cache.keep(partial, thin_artifact.sha256, "model.pt").path
    os.utime(path, (time.time() - 7200, time.time() - 7200))

    async def main() -> None:
        predictor = await loads(settings(model=str(path)), Metrics())
        cache.remember("s3://shop/latest.json", "0" * 64, "")
        assert path.exists()
        await predictor.close()
        cache.remember("s3://shop/latest.json", "0" * 64, "")
        assert not path.exists()

    asyncio.run(main())


def test_without_the_setting_nothing_is_looked_at(model: Path, second: Path) -> None:
    with running(settings(model=str(model), cache=model.parent / "cache")) as server:
        put(second, model)
        assert not [one for one in threading.enumerate() if one.name.startswith("reload")]
        assert version(server.client) == FIRST


def test_a_proxy_says_that_it_has_no_effect(
    thin_artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    values = settings(
        backend="sagemaker",
        endpoint_name="garments",
        reload_seconds=1,
        model=str(thin_artifact.path),
    )

    async def main() -> None:
        service = Service(values, pytest.fail, Loads())
        service.start()
        await asyncio.sleep(0.1)
        await service.stop()

    asyncio.run(main())
    assert "GARMENT_RELOAD_SECONDS has no effect on a proxy" in caplog.text
