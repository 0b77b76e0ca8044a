"""How fast artifacts are, measured side by side so that what else the machine does hits all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from app.artifact import Precision, load_module
from training.networks import INPUT_SIZE, normalise

WARM_UP = 3


@dataclass(frozen=True)
class Speed:
    """Milliseconds for one batch, and how many times as long as the first artifact takes.

    Both are medians over the repeats; the ratio is of calls that ran one after the other.
    """

    batch: int
    milliseconds: float
    ratio: float


def measure_speed(
    paths: Sequence[Path], batch: int, repeats: int, precision: Precision = "float32"
) -> list[Speed]:
    """Time the networks of artifacts at `paths` on the same batch of random pixels, in turns."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 3, INPUT_SIZE, INPUT_SIZE)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    images = normalise(pixels).to(dtype)
    calls = [load_module(path, precision).logits for path in paths]
    seconds: list[list[float]] = [[] for _ in calls]
    with torch.inference_mode():
        for call in calls:
            for _ in range(WARM_UP):
                call(images)
        for _ in range(repeats):
            for call, times in zip(calls, seconds, strict=True):
                times.append(_timed(call, images))
    return [
        Speed(
            batch=batch,
            milliseconds=median(times) * 1000,
            ratio=median(own / first for own, first in zip(times, seconds[0], strict=True)),
        )
        for times in seconds
    ]


def _timed(call: Callable[[Tensor], Tensor], images: Tensor) -> float:
    start = time.perf_counter()
    call(images)
    return time.perf_counter() - start


def hardware() -> str:
    """The processor and how many threads compute on it, for beside a measured speed."""
    name = "an unnamed processor"
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
