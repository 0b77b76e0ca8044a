"""How the cores are best split: among processes, and among photos that wait.

Each way of starting this service takes its turn in every round, on all cores, client included; of
several services, each gets its share of the connections. Printed is the median of the rounds.

    .venv/bin/python tests/benchmarks/serving/split.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from client import image_files
from payloads import PAYLOADS, write_payload
from servers import Running, ours, running
from tqdm import tqdm

from app.cpu import available_cores

CONNECTIONS = 32
SHARE = 0.5
"""Of the throughput, for the latency under random arrivals."""


@dataclass(frozen=True, eq=False)
class Way:
    """One way of starting the service."""

    title: str
    services: int
    settings: dict[str, str]


def ways(cores: int) -> list[Way]:
    """What is compared."""
    more = str(cores + 1)
    alone = {"GARMENT_THREADS": "1"}
    return [
        Way("as it starts by itself", 1, {}),
        Way("one process", 1, {"GARMENT_PROCESSES": "1"}),
        Way(f"{more} processes", 1, {"GARMENT_PROCESSES": more, "GARMENT_THREADS": more}),
        Way("batches of 4 at most", 1, {"GARMENT_BATCH_SIZE": "4"}),
        Way("batches of 16 at most", 1, {"GARMENT_BATCH_SIZE": "16"}),
        Way(f"{cores} services of one thread each", cores, alone),
    ]


def load(
    members: list[Running], photos: Path, seconds: float, connections: int, rate: float = 0
) -> dict[str, float]:
    """What all members of one way answer together; the latencies are the worst member's."""
    generators = []
    for one in members:
        command = [sys.executable, str(Path(__file__).with_name("load.py")), one.url, str(photos)]
        command += ["--seconds", str(seconds)]
        command += ["--connections", str(max(1, connections // len(members)))]
        command += ["--rate", str(rate / len(members))] if rate else []
        generators.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    told: list[dict[str, Any]] = []
    for generator in generators:
        output, _ = generator.communicate()
        if generator.returncode:
            raise SystemExit("the load generator failed")
        told.append(json.loads(output))
    if errors := [one["errors"] for one in told if one["errors"]]:
        raise SystemExit(f"the service did not answer all: {errors}")
    worst = {name: max(one[name] for one in told) for name in ("p50", "p99")}
    return {"throughput": sum(one["throughput"] for one in told), **worst}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payload", choices=list(PAYLOADS), default="catalogue")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    arguments = parser.parse_args()
    seconds = arguments.seconds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        photos = write_payload(PAYLOADS[arguments.payload], folder, None)
        first = image_files(photos)[0]
        started = {
            way: [
                stack.enter_context(running(ours("ours", way.settings), first, folder / "log"))
                for _ in range(way.services)
            ]
            for way in ways(available_cores())
        }
        found: dict[Way, list[tuple[float, ...]]] = {way: [] for way in started}
        for _ in tqdm(range(arguments.rounds), "rounds"):
            for way, members in started.items():
                busy = load(members, photos, seconds, CONNECTIONS)
                # One client has one of the services, the others wait.
                alone = load(members[:1], photos, seconds, 1)
                rate = SHARE * busy["throughput"]
                calm = load(members, photos, seconds, 8 * CONNECTIONS, rate)
                found[way].append((busy["throughput"], alone["p50"], calm["p99"]))
    medians = {
        way: [median(column) for column in zip(*rows, strict=True)] for way, rows in found.items()
    }
    (first_way, first_row), *others = medians.items()
    throughput, p50, p99 = first_row
    print(f"{first_way.title}: {throughput:.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.0f} ms")
    print(f"| | requests/s, {CONNECTIONS} clients | p50 of one client | p99 at half of that |")
    print("|---|---|---|---|")
    for way, row in others:
        ratios = [f"{value / its:.2f}" for value, its in zip(row, first_row, strict=True)]
        print(f"| {way.title} | {' | '.join(ratios)} |")


if __name__ == "__main__":
    main()
