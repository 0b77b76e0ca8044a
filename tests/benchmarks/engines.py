"""TorchScript and OpenVINO side by side: speed one by one and in batches, start-up, memory.

Speed is measured in one process, the engines taking turns in short rounds, so that whatever else
the machine does slows both. A ratio is the median of the rounds' ratios. Start-up (from the start
of Python to an engine that is proven and warmed up) and memory (peak, and once loaded) are those of
a process for each. The images are the artifact's golden images.

    .venv/bin/python tests/benchmarks/engines.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the service has it

import numpy as np
import torch

from app.artifact import Precision, open_artifact
from app.cpu import available_cores
from app.engines import load_engine
from app.engines.torchscript import fast_precision
from app.images import decode
from app.settings import BUNDLED_MODEL

ENGINES = ("torchscript", "openvino")
BATCH = 16


def load(engine: str, arguments: argparse.Namespace, cache: Path | None) -> Any:
    """An engine as the service loads it."""
    artifact = open_artifact(arguments.model)
    return load_engine(artifact, arguments.precision, arguments.threads, BATCH, engine, cache)


def seconds(run: Callable[[], object], at_least: float = 0.3) -> float:
    """Of one run, as the mean of as many as take `at_least` so long."""
    started, count = time.perf_counter(), 0
    while time.perf_counter() < started + at_least:
        run()
        count += 1
    return (time.perf_counter() - started) / count


def speed(arguments: argparse.Namespace, cache: Path) -> list[tuple[str, float, float, float]]:
    """What is measured, images per second of each engine, and how often OpenVINO's is the other."""
    engines = [load(name, arguments, cache) for name in ENGINES]
    golden = open_artifact(arguments.model).golden
    images = [np.asarray(decode(one.png).image) for one in golden]
    rows = []
    for count in (1, BATCH):
        photos = (images * BATCH)[:count]
        batches = [engine._preprocess(photos) for engine in engines]

        def network(number: int, batches: list[Any] = batches) -> None:
            with torch.inference_mode():
                engines[number]._logits(batches[number])

        def whole(number: int, photos: list[Any] = photos) -> None:
            engines[number].run(photos)

        for name, run in (("network", network), ("preprocessing and network", whole)):
            rounds = [
                [seconds(lambda run=run, number=number: run(number)) for number in (0, 1)]
                for _ in range(arguments.rounds)
            ]
            rates = [count / median(one[number] for one in rounds) for number in (0, 1)]
            rows.append((f"{name}, batches of {count}", *rates, median(a / b for a, b in rounds)))
    return rows


def child(engine: str, arguments: argparse.Namespace, cache: Path) -> dict[str, float]:
    """Start-up and memory of a process that loads an engine."""
    command = [sys.executable, __file__, "--child", engine, "--cache", str(cache)]
    command += ["--model", str(arguments.model), "--threads", str(arguments.threads)]
    command += ["--precision", arguments.precision] if arguments.precision else []
    environment = os.environ | {"STARTED": str(time.time())}
    said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(said.stdout)


def report_child(arguments: argparse.Namespace) -> None:
    """What `child` reads."""
    engine = load(arguments.child, arguments, arguments.cache)
    assert engine.name == arguments.child
    status = Path("/proc/self/status").read_text().splitlines()
    kibibytes = {line.split(":")[0]: line.split()[1] for line in status if line.startswith("Vm")}
    said = {"seconds": time.time() - float(os.environ["STARTED"])}
    said |= {"peak": int(kibibytes["VmHWM"]) / 1024, "rss": int(kibibytes["VmRSS"]) / 1024}
    print(json.dumps(said))


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, help="an artifact")
    parser.add_argument("--threads", type=int, default=available_cores(), help="of one inference")
    parser.add_argument("--precision", choices=Precision.__args__, help="default: what is fast")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--child", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        report_child(arguments)
        return 0
    print(f"{arguments.threads} threads; precision: {arguments.precision or fast_precision()}\n")
    print("| | TorchScript | OpenVINO | OpenVINO / TorchScript |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, script, vino, ratio in speed(arguments, Path(folder)):
            print(f"| {name}, images/s | {script:.0f} | {vino:.0f} | {ratio:.2f} |", flush=True)
        starts: dict[str, list[dict[str, float]]] = {}
        for number in range(3):  # in turn, too
            for name, engine, cache in (
                ("torchscript", "torchscript", "none"),
                ("first", "openvino", f"first-{number}"),
                ("cached", "openvino", "."),
            ):
                said = child(engine, arguments, Path(folder) / cache)
                starts.setdefault(name, []).append(said)
    for case, label in (("first", "nothing cached"), ("cached", "cached")):
        for key, what in (
            ("seconds", "start-up, s"),
            ("peak", "peak memory of it, MB"),
            ("rss", "memory once loaded, MB"),
        ):
            script, vino = (median(one[key] for one in starts[n]) for n in ("torchscript", case))
            print(f"| {what}, {label} | {script:.2f} | {vino:.2f} | {vino / script:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
