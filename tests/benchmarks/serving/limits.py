"""What the processor can do without HTTP: the engine alone, and decoding and the engine.

A process that loads the engine as the service would, says so, and then does what each line of its
standard input asks for; `Limits` starts such processes. One process with all cores is measured, and
one process for each core at the same time: the better of the two is the limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the service has it

from client import image_files
from report import BOTH

from app.allocator import TUNABLES
from app.artifact import open_artifact
from app.cpu import available_cores
from app.engines import Engine, Pixels
from app.engines.loading import load_engine
from app.images import decode
from app.letterbox import LARGEST_EDGE
from app.settings import load_settings

ENGINE = "engine"


class Limits:
    """Processes that are asked, all of a kind at the same time."""

    def __init__(self, settings: dict[str, str]) -> None:
        """Start them; `settings` are the service's, as environment variables."""
        cores = available_cores()
        kinds = {"one process": (1, cores), f"{cores} processes": (cores, 1)}
        self._kinds = {
            kind: [_start(settings | {"GARMENT_THREADS": str(threads)}) for _ in range(count)]
            for kind, (count, threads) in kinds.items()
        }
        told = [_told(one) for members in self._kinds.values() for one in members]
        self.engine: str = told[0]["engine"]

    def rates(self, what: str, photos: Path, seconds: float, batch: int) -> dict[str, float]:
        """Images per second of each kind.

        Args:
            what: `ENGINE` or `BOTH`.
            photos: a folder of image files.
            seconds: how long about.
            batch: images in one inference.
        """
        found = {}
        wish = {"what": what, "photos": str(photos), "seconds": seconds, "batch": batch}
        for kind, members in self._kinds.items():
            for member in members:
                assert member.stdin is not None
                print(json.dumps(wish), file=member.stdin, flush=True)
            found[kind] = sum(_told(member)["rate"] for member in members)
        return found

    def close(self) -> None:
        """End them."""
        for members in self._kinds.values():
            for member in members:
                member.communicate()


def _start(settings: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__],
        env={"GLIBC_TUNABLES": TUNABLES} | os.environ | settings,  # as the service
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _told(member: subprocess.Popen[str]) -> dict[str, Any]:
    assert member.stdout is not None
    line = member.stdout.readline()
    if not line:
        raise SystemExit("a process that measures the limits ended")
    return json.loads(line)


def main() -> None:
    """Load the engine, then measure what is asked for."""
    settings = load_settings()
    threads = settings.threads or available_cores()
    precision = None if settings.precision == "auto" else settings.precision
    artifact = open_artifact(Path(settings.model))
    engine = load_engine(artifact, precision, threads, settings.batch_size, choice=settings.engine)
    print(json.dumps({"engine": f"{engine.name}, {engine.precision}"}), flush=True)

    pool = ThreadPoolExecutor(engine.parallel)
    for line in sys.stdin:
        wish = json.loads(line)
        photos = [file.read_bytes() for file in image_files(Path(wish["photos"]))]
        batch = [photos[number % len(photos)] for number in range(wish["batch"])]
        step = _step(engine, batch, decoding=wish["what"] == BOTH)
        rates = pool.map(_rate, [step] * engine.parallel, [wish["seconds"]] * engine.parallel)
        print(json.dumps({"rate": sum(rates) * len(batch)}), flush=True)


def _step(engine: Engine, batch: list[bytes], decoding: bool) -> Callable[[], object]:
    """What runs one batch, `decoding` it first or not."""

    def pixels(photo: bytes) -> Pixels:
        return engine.prepare(decode(photo, max_edge=LARGEST_EDGE).image)

    if not decoding:
        prepared = [pixels(photo) for photo in batch]
        return lambda: engine.run(prepared)
    return lambda: engine.run([pixels(photo) for photo in batch])


def _rate(step: Callable[[], object], seconds: float) -> float:
    """Steps per second of the thread that calls this."""
    step()
    started, count = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        step()
        count += 1
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
