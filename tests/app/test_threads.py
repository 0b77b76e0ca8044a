"""Decoding beside each other: what waits for what, and what it takes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from app.images import LargeImage
from app.settings import Settings
from app.threads import Decoding, computing_threads

ROOT = Path(__file__).parents[2]


def test_small_images_do_not_wait_for_large_ones() -> None:
    asyncio.run(_small_beside_large())


@pytest.mark.skipif(sys.platform != "linux", reason="a policy of Linux")
def test_those_that_compute_do_not_interrupt_the_others() -> None:
    with computing_threads(1, "test") as threads:
        assert threads.submit(os.sched_getscheduler, 0).result() == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


async def _small_beside_large() -> None:
    decoding, finish = Decoding(Settings(decode_threads=1)), threading.Event()
    running, most = 0, 0

    def large(most_held: int | None) -> str:
        nonlocal running, most
        if most_held is not None:
            raise LargeImage
        running += 1
        most = max(most, running)
        finish.wait(30)
        running -= 1
        return "large"

    end = time.perf_counter() + 30
    waiting = [asyncio.create_task(decoding.decode_by(end, large, "late")) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert await decoding.decode_by(end, lambda _: "small", "late") == "small"
    assert not any(task.done() for task in waiting)
    waiting.pop().cancel()
    finish.set()
    assert await asyncio.gather(*waiting) == ["large"] * 2
    assert most == 1
    decoding.close()


@pytest.mark.parametrize(
    ("cores", "setting", "threads"), [(1, 0, 1), (3, 0, 3), (16, 0, 4), (16, 6, 6), (3, 6, 6)]
)
def test_it_takes_the_cores_but_not_more_than_four(
    monkeypatch: pytest.MonkeyPatch, cores: int, setting: int, threads: int
) -> None:
    monkeypatch.setattr("app.threads.available_cores", lambda: cores)
    assert asyncio.run(_most_at_once(setting, 8)) == threads


async def _most_at_once(setting: int, works: int) -> int:
    decoding, all_there = Decoding(Settings(decode_threads=setting)), threading.Event()
    running = 0

    def work() -> None:
        nonlocal running
        running += 1
        all_there.wait(30)

    end = time.perf_counter() + 30
    waiting = [asyncio.create_task(decoding.run_by(end, work, "late")) for _ in range(works)]
    await asyncio.sleep(0.05)
    most = running
    all_there.set()
    await asyncio.gather(*waiting)
    decoding.close()
    return most


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RGBA", "I;16", "progressive"])
def test_several_of_the_largest_images_take_the_memory_of_one(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "photo"
    if kind == "progressive":
        Image.new("CMYK", (8192, 6144)).save(file, "JPEG", progressive=True)
    else:
        Image.new(kind, (8192, 6144)).save(file, "PNG")
    script = (
        "import asyncio, functools, resource, sys, time\n"
        "from app.images import decode\n"
        "from app.settings import Settings\n"
        "from app.threads import Decoding\n"
        "photo, count = open(sys.argv[1], 'rb').read(), int(sys.argv[2])\n"
        "work = lambda most_held: decode(photo, most_held=most_held)\n"
        "async def main():\n"
        "    decoding, end = Decoding(Settings(decode_threads=4)), time.perf_counter() + 120\n"
        "    await asyncio.gather(*(decoding.decode_by(end, work, '') for _ in range(count)))\n"
        "asyncio.run(main())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )

    def peak(count: int) -> float:
        # A shell between the two, since a child's peak starts with that of its parent.
        command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", script]
        ran = subprocess.run(
            [*command, str(file), str(count)], capture_output=True, text=True, check=True, cwd=ROOT
        )
        return int(ran.stdout) / 1024

    alone = peak(1)
    assert alone < 600  # MB
    assert peak(4) < 1.3 * alone
