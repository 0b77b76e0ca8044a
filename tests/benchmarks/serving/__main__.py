"""This service side by side with what a user would pick instead: `make bench`.

Every baseline runs the artifact's network in bfloat16, ours what it chooses, all on this machine,
client included. Each server first starts alone, for its start-up and memory. Then they take turns
in short rounds, the others being paused, so that whatever else the machine does slows each; a ratio
is the median of the rounds' ratios. In the same rounds the limits are measured, what the processor
does without HTTP, and each server's latency with random arrivals (open loop) at half of its peak.

    make bench
    make bench BENCH=--quick
    make bench BENCH='--servers ours --ours script=GARMENT_ENGINE=torchscript --payloads catalogue'
    .venv/bin/python tests/benchmarks/serving --report build/bench/results.json

Writes results.json, report.md, throughput.png and the servers' logs. The baselines' packages are
installed at the first run, into environments that are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from machine import describe
from measure import Bench
from options import parsed
from payloads import PAYLOADS, write_payload
from plot import draw
from report import report
from servers import baselines, ours

from app.settings import BUNDLED_MODEL

BUSY = 0.5
"""Load of the machine from which on a run is doubtful."""


def main() -> int:
    """Measure, or read what was; print the report and write it."""
    arguments = parsed(__doc__)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.report:
        results = json.loads(arguments.report.read_text())
    else:
        results = measured(arguments)
        (arguments.output / "results.json").write_text(json.dumps(results, indent=1))
    text = report(results)
    (arguments.output / "report.md").write_text(text)
    draw(results, arguments.output / "throughput.png")
    print(f"\n{text}\nWritten to {arguments.output}: results.json, report.md, throughput.png")
    return 0


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """The results of a run."""
    machine = describe()
    if machine["load_before"] > BUSY:
        load = f"{machine['load_before']:.1f}"
        print(f"The machine does other work (load {load}): trust no figure of this run.")
    variants = ({"ours": {}} if "ours" in arguments.servers else {}) | dict(arguments.ours)
    servers = [ours(name, settings) for name, settings in variants.items()]
    servers += baselines(arguments.servers, arguments.environments, BUNDLED_MODEL)
    photos = {
        name: write_payload(PAYLOADS[name], arguments.output / "photos", arguments.photos)
        for name in arguments.payloads
    }
    bench = Bench(servers, photos, arguments.output, raw=arguments.raw)
    if not arguments.no_alone:
        bench.start_each_alone()
    bench.compare(
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        open_seconds=arguments.open_seconds,
        connections=arguments.connections,
        few=arguments.few,
        limits=not arguments.no_limits,
    )
    return {
        "machine": machine | {"load_after": os.getloadavg()[0]},
        "command": sys.argv[1:],
        "payloads": {name: PAYLOADS[name].title for name in photos},
        **bench.results,
    }


if __name__ == "__main__":
    sys.exit(main())
