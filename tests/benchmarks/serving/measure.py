"""What is measured, in which order; each figure goes into `results` as it comes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from agreement import same_labels
from client import image_files
from limits import ENGINE, Limits
from report import BOTH, peak_in_round
from servers import Running, Server, running

CONNECTIONS = (1, 8, 32, 64, 128)
FEW = {"large": (1, 8), "png": (32,), "webp": (32,)}
"""Connections of the payloads of which less is asked."""
SLOW = {"large": 2.0}
"""How many times longer a payload is measured, since so few of it are answered."""
OPEN_LOOP = ("catalogue", "photo")
LIMITS = (
    ("catalogue", ENGINE, 1),
    ("catalogue", ENGINE, 16),
    ("catalogue", BOTH, 16),
    ("photo", BOTH, 16),
    ("large", BOTH, 16),
)
"""Of which payload, what, and in batches of how many."""
UNDER_LOAD = (("catalogue", 32), ("photo", 32), ("large", 8))
"""Payloads and connections under which memory is looked at, for `MEMORY_SECONDS` each."""
MEMORY_SECONDS = 2.0


class Bench:
    """One run."""

    def __init__(
        self, servers: list[Server], photos: dict[str, Path], output: Path, raw: bool = False
    ) -> None:
        """Measure `servers` with the folders of `photos`, by the name of their payload.

        Args:
            servers: what is compared.
            photos: by payload.
            output: folder of the servers' logs.
            raw: post the photos as bodies instead of in forms.
        """
        self.servers, self.photos, self.output, self.raw = servers, photos, output, raw
        for server in servers:
            self._log(server).unlink(missing_ok=True)
        self.results: dict[str, Any] = {
            "servers": {one.name: one.title for one in servers},
            "ours": [one.name for one in servers if one.ours],
            "engines": {},
            "starts": {},
            "closed": [],
            "open": [],
            "limits": [],
        }

    def start_each_alone(self) -> None:
        """Start-up, the first time and again; memory once started and under load."""
        for server in self.servers:
            told = {}
            with self._running(server) as first:
                told["first_start"] = first.start_seconds
            with self._running(server) as one:
                told |= {"start": one.start_seconds, "memory": one.memory()}
                with one.peak_memory() as highest:
                    for payload, connections in UNDER_LOAD:
                        if payload in self.photos:
                            self._load(one, payload, connections, MEMORY_SECONDS)
                told["peak_memory"] = highest[0]
            self.results["starts"][server.name] = told
            print(
                f"{server.title}: start {told['start']:.1f} s (the first time "
                f"{told['first_start']:.1f} s), memory {told['memory']:.0f} MB, under load "
                f"{told['peak_memory']:.0f} MB",
                flush=True,
            )

    def compare(
        self,
        rounds: int,
        seconds: float,
        open_seconds: float,
        connections: Iterable[int] = CONNECTIONS,
        few: Mapping[str, Iterable[int]] = FEW,
        limits: bool = True,
    ) -> None:
        """All servers and our limits, in turn.

        Args:
            rounds: how often.
            seconds: of each measurement.
            open_seconds: of each in the open loop, at half of a server's own peak in the round;
                0: none.
            connections: for each payload.
            few: for those payloads instead.
            limits: whether to measure those, too.
        """
        with ExitStack() as stack:
            started = [stack.enter_context(self._running(one)) for one in self.servers]
            ceilings = self._limits(stack) if limits else {}
            self.results["same_labels"] = same_labels(started, self.photos)
            for one in started:
                self._load(one, next(iter(self.photos)), 32, 1)
            for one in started:
                one.pause()
                stack.callback(one.resume)  # before it is ended
            for number in range(rounds):
                turn = started[number % len(started) :] + started[: number % len(started)]
                for payload in self.photos:
                    for count in few.get(payload, connections):
                        for one in turn:
                            length = seconds * SLOW.get(payload, 1)
                            told = self._load_alone(one, payload, count, length)
                            self.results["closed"].append(told | {"round": number})
                            _say(f"round {number + 1}", told)
                for name, ceiling in ceilings.items():
                    self._measure_limits(number, seconds, name, ceiling)
                if open_seconds:
                    self._open_loop(turn, open_seconds, number)

    def _running(self, server: Server) -> AbstractContextManager[Running]:
        photo = image_files(next(iter(self.photos.values())))[0]
        return running(server, photo, self._log(server))

    def _log(self, server: Server) -> Path:
        return self.output / f"{server.name}.log"

    def _limits(self, stack: ExitStack) -> dict[str, Limits]:
        """Of each server of ours, with its settings."""
        limits = {}
        for server in self.servers:
            if server.ours:
                settings = {k: v for k, v in server.environment.items() if "{port}" not in v}
                one = limits[server.name] = Limits(settings)
                stack.callback(one.close)
                self.results["engines"][server.name] = one.engine
        return limits

    def _measure_limits(self, number: int, seconds: float, name: str, limits: Limits) -> None:
        for payload, what, batch in LIMITS:
            if payload in self.photos:
                rates = limits.rates(what, self.photos[payload], seconds, batch)
                told = {"server": name, "payload": payload, "what": what, "batch": batch}
                self.results["limits"].append(told | {"round": number, "rates": rates})
                said = ", ".join(f"{rate:.0f}/s in {kind}" for kind, rate in rates.items())
                when = f"round {number + 1}: limit of {name}"
                print(f"{when}: {payload}, {what}, batches of {batch}: {said}", flush=True)

    def _open_loop(self, turn: list[Running], seconds: float, number: int) -> None:
        for payload in OPEN_LOOP:
            for one in turn:
                if best := peak_in_round(self.results, one.server.name, payload, number):
                    told = self._load_alone(one, payload, 256, seconds, rate=best / 2)
                    self.results["open"].append(told | {"round": number})
                    _say(f"round {number + 1}: open loop, {best / 2:.0f}/s", told)

    def _load_alone(
        self, one: Running, payload: str, connections: int, seconds: float, rate: float = 0
    ) -> dict[str, Any]:
        """As `_load`, of a server that is paused before and afterwards, as all others are."""
        one.resume()
        try:
            return self._load(one, payload, connections, seconds, rate)
        finally:
            one.pause()

    def _load(
        self, one: Running, payload: str, connections: int, seconds: float, rate: float = 0
    ) -> dict[str, Any]:
        """What load.py found, in a process of its own, and what the server used for it."""
        command = [sys.executable, str(Path(__file__).with_name("load.py")), one.url]
        command += [str(self.photos[payload]), "--connections", str(connections)]
        command += ["--seconds", str(seconds), *(["--raw"] if self.raw else [])]
        command += ["--rate", str(rate)] if rate else []
        before = one.cpu_seconds()
        ran = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        told: dict[str, Any] = json.loads(ran.stdout)
        used = one.cpu_seconds() - before
        return told | {
            "server": one.server.name,
            "payload": payload,
            "connections": connections,
            "rate": rate,
            "cpu_ms": 1000 * used / max(1, told["requests"]),
        }


def _say(when: str, told: dict[str, Any]) -> None:
    milliseconds = [
        f"{name} {told[name]:.1f} ms" for name in ("p50", "p99") if told[name] is not None
    ]
    errors = [f"{count} x {error}" for error, count in told["errors"].items()]
    print(
        f"{when}: {told['payload']}, {told['connections']} connections, {told['server']}: "
        + ", ".join([f"{told['throughput']:.0f}/s", *milliseconds, *errors]),
        flush=True,
    )
