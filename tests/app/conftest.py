"""A tiny real artifact, a running server, and an engine whose answers are known."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zlib import compress, crc32

import httpx
import numpy as np
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image

from app.artifact import Artifact, open_artifact
from app.card import BACKGROUNDS
from app.engines import Explanation, Pixels, Scores
from app.http1 import Http1Protocol
from app.main import create_app
from app.predictors.local import LocalPredictor
from app.service import Load, load_predictor
from app.settings import Settings
from app.telemetry import Metrics
from tests.cards import make_card
from tests.thin_network import thin_resnet18
from training.garment_model import GarmentModel
from training.networks import build_network
from training.scripted import golden_images, layer_ranges, round_to_float16, save_artifact

CARD = make_card(0.2, version="1.2.3", parameters=11_000_000, limitations=["untrained"])


def make_model(temperature: float, thin: bool = False) -> GarmentModel:
    """Untrained; a temperature far below 1 makes it sure of its random answers."""
    torch.manual_seed(0)
    network = thin_resnet18(11) if thin else build_network("resnet18", 11)
    round_to_float16(network)
    return GarmentModel(network, True, [temperature] * 3, [temperature] * 3).eval()


def write_artifact(
    path: Path, temperature: float, golden_of: float | None = None, thin: bool = False
) -> Artifact:
    """An artifact whose golden images are answered as with the temperature `golden_of`.

    A `thin` one is loaded at once, by TorchScript alone.
    """
    random = np.random.default_rng(0)
    shapes = ((28, 28), (60, 90), (200, 100))
    images = [
        torch.from_numpy(random.integers(0, 256, (3, *shape), dtype=np.uint8)) for shape in shapes
    ]
    golden = golden_images(make_model(golden_of or temperature, thin), images)
    model = make_model(temperature, thin)
    ranges = layer_ranges(model.network, model.seen(model.preprocess(images)))
    limits = {"temperature": temperature, "garment_temperature": temperature}
    calibration = {
        background: each.model_copy(update=limits) for background, each in CARD.calibration.items()
    }
    card = CARD.model_copy(update={"calibration": calibration})
    save_artifact(model, card, golden, path, ranges)
    return open_artifact(path)


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, image_format, **options)
    return data.getvalue()


def photo(width: int = 90, height: int = 60) -> Image.Image:
    """Red above, blue below."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 30, 200), (0, height // 2, width, height))
    return image


def png_bomb(edge: int = 20_000) -> bytes:
    """A PNG of edge x edge pixels by its header, in a hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc32(kind + body))

    header = struct.pack(">IIBBBBB", edge, edge, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", compress(bytes(9999))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def settings(**values: object) -> Settings:
    """Of a small service whose answers do not depend on the processor or on what is installed."""
    fixed = {
        "engine": "torchscript",
        "processes": 1,
        "threads": 1,
        "precision": "float32",
        "log_level": "error",
    }
    return Settings(**{**fixed, **values})


@dataclass
class KnownEngine:
    """The class is the red of the first pixel modulo ten, the background its green modulo three.

    Blue 255 fails; it waits where told to.
    """

    name: str = "known"
    precision: str = "float32"
    parallel: int = 1
    calls: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    explanations: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(99))

    def prepare(self, image: Image.Image) -> Pixels:
        return np.asarray(image)

    def run(self, images: list[Pixels], alone: bool = False) -> list[Scores]:
        self.calls.append("run")
        self.batches.append(len(images))
        self.started.set()
        assert self.go_on.wait(30)
        if any(image[0, 0, 2] == 255 for image in images):
            raise ValueError("a bad image")
        return [self._scores(*image[0, 0, :2].tolist()) for image in images]

    def explain(self, image: Pixels, class_id: int) -> Explanation:
        self.calls.append("explain")
        assert self.explanations.acquire(timeout=30)
        return Explanation(np.zeros((112, 112, 3), np.uint8), np.ones((15, 15), np.float32))

    def _scores(self, red: int, green: int) -> Scores:
        rest = 0.1 / 9
        row = tuple(0.9 if i == red % 10 else rest for i in range(10))
        return Scores(row, 0.95, BACKGROUNDS[green % 3])


@dataclass
class Running:
    """A server on a free port, in a thread of this process."""

    app: FastAPI
    server: uvicorn.Server
    client: httpx.Client
    thread: threading.Thread

    def stop(self) -> None:
        self.server.should_exit = True


@contextmanager
def running(
    values: Settings, load: Load = load_predictor, ready: bool = True, endpoint: bool = False
) -> Iterator[Running]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(values, load=load, endpoint=endpoint)
    config = uvicorn.Config(app, http=Http1Protocol, log_config=None, timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            while ready and client.get("/health/ready").status_code != 200:
                time.sleep(0.02)
            yield Running(app, server, client, thread)
    finally:
        server.should_exit = True
        thread.join(30)


def known_png(label: int, bad: bool = False) -> bytes:
    """What `KnownEngine` answers with `label`."""
    return encode(Image.new("RGB", (40, 40), (label, 0, 255 if bad else 0)), "PNG")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def error_of(response: httpx.Response) -> tuple[int, str]:
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["type"].endswith(problem["code"])
    return response.status_code, problem["code"]


def metric(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def total(client: httpx.Client, start: str) -> float:
    """The sum of all metrics that begin so; 0 where there is none yet."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))


@pytest.fixture(scope="session")
def thin_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    path = tmp_path_factory.mktemp("thin") / "model.pt"
    return write_artifact(path, temperature=0.05, thin=True)


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_artifact(tmp_path_factory.mktemp("artifact") / "model.pt", temperature=0.05)


@pytest.fixture(scope="session")
def service(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real thing, with the tiny artifact."""
    cache = tmp_path_factory.mktemp("cache")
    with running(settings(model=str(artifact.path), cache=cache)) as server:
        yield server


@pytest.fixture(scope="session")
def client(service: Running) -> httpx.Client:
    return service.client


@pytest.fixture
def engine() -> Iterator[KnownEngine]:
    engine = KnownEngine()
    engine.go_on.set()
    yield engine
    engine.go_on.set()


@pytest.fixture
def start(artifact: Artifact, engine: KnownEngine) -> Iterator[Callable[..., Running]]:
    """Starts a server with other settings, on the engine whose answers are known."""

    async def load(values: Settings, metrics: Metrics) -> LocalPredictor:
        return LocalPredictor(artifact, engine, ThreadPoolExecutor(1), values, metrics)

    with ExitStack() as stack:
        stack.callback(engine.go_on.set)

        def begin(**values: object) -> Running:
            return stack.enter_context(running(settings(**values), load))

        yield begin
