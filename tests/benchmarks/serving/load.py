"""Post photos to a server and time the answers; a process of its own, as cheap as can be.

Closed loop: each connection sends its next request when the answer to the last one is there; what
is answered within the seconds counts. Open loop (`--rate`): requests are due at random times
(Poisson), whatever the server does, and each one's latency counts from when it was due, so that a
server that stalls is not asked less for it. Connections are kept alive. After an error a connection
pauses, for `Retry-After` (at most a second) where the server gives it.

    .venv/bin/python tests/benchmarks/serving/load.py http://127.0.0.1:8000/predict tests/samples

Prints JSON: latencies in milliseconds, throughput in right answers per second.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from client import PAUSE_SECONDS, Connection, image_files, request_bytes

GIVE_UP_SECONDS = 30.0
"""How long the last answers are waited for."""


class Load:
    """What both loops share: connections, photos in turn, and the record of the answers."""

    def __init__(self, url: str, requests: list[bytes], warm_up: float, seconds: float) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.requests = itertools.cycle(requests)
        self.loop = asyncio.get_running_loop()
        # uvloop's own clock counts whole milliseconds.
        self.start = time.perf_counter() + warm_up
        self.end = self.start + seconds
        self.cpu = time.process_time()
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.answered = 0
        """Requests of the whole run, warm-up included, rightly answered or not."""

    async def connect(self, on_answer: Callable[[Connection, str], object]) -> Connection | None:
        """A new connection, tried for until the end of the run; None if there is none by then."""
        while time.perf_counter() < self.end:
            try:
                _, connection = await self.loop.create_connection(
                    lambda: Connection(on_answer), *self._address
                )
            except OSError:
                self.errors["no connection"] += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return connection
        return None

    def record(self, due: float, counts: bool, error: str) -> None:
        """Note how a request ended; warm-up is left out by `counts`."""
        self.answered += 1
        if counts and error:
            self.errors[error] += 1
        elif counts:
            self.latencies.append(time.perf_counter() - due)


async def closed_loop(load: Load, connections: int) -> None:
    """`connections` clients, each with one request under way."""

    async def client() -> None:
        finished = load.loop.create_future()

        def again(connection: Connection) -> None:
            now = time.perf_counter()
            if now >= load.end or not connection.is_open:
                connection.close()
                if not finished.done():
                    finished.set_result(None)
            else:
                connection.send(next(load.requests), now)

        def answered(connection: Connection, error: str) -> None:
            load.record(connection.due, load.start <= time.perf_counter() < load.end, error)
            if error:
                pause, connection.retry_after = connection.retry_after, PAUSE_SECONDS
                load.loop.call_later(min(pause, 1.0), again, connection)
            else:
                again(connection)

        while connection := await load.connect(answered):
            finished = load.loop.create_future()
            again(connection)
            await finished

    clients = [load.loop.create_task(client()) for _ in range(connections)]
    seconds = load.end - time.perf_counter() + GIVE_UP_SECONDS
    _, unanswered = await asyncio.wait(clients, timeout=seconds)
    if unanswered:
        load.errors["no answer"] += len(unanswered)


async def open_loop(load: Load, rate: float, connections: int, seed: int) -> None:
    """`rate` requests a second on at most `connections`; counts all that were due in time."""
    chance = random.Random(seed)
    idle: list[Connection] = []
    waiting: deque[float] = deque()
    under_way = 0

    def answered(connection: Connection, error: str) -> None:
        nonlocal under_way
        under_way -= 1
        load.record(connection.due, connection.due >= load.start, error)
        use(connection)

    def use(connection: Connection) -> None:
        nonlocal under_way
        if not connection.is_open:
            load.loop.create_task(reconnect())
        elif waiting:
            under_way += 1
            connection.send(next(load.requests), waiting.popleft())
        else:
            idle.append(connection)

    async def reconnect() -> None:
        if connection := await load.connect(answered):
            use(connection)

    # All at the start, so that no latency holds a handshake.
    await asyncio.gather(*(reconnect() for _ in range(connections)))
    due = time.perf_counter()
    while (due := due + chance.expovariate(rate)) < load.end:
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        waiting.append(due)
        while idle and waiting:
            use(idle.pop())
    give_up = load.end + GIVE_UP_SECONDS
    while (under_way or waiting) and time.perf_counter() < give_up:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # simple, and nothing is timed any more
    if under_way or waiting:
        load.errors["no answer"] += under_way + len(waiting)


def quantile(ordered: list[float], share: float) -> float | None:
    """The smallest value that `share` of the values do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


async def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Run one of the loops; what it found."""
    files = image_files(arguments.photos)
    requests = [request_bytes(arguments.url, file, arguments.raw) for file in files]
    load = Load(arguments.url, requests, arguments.warm_up, arguments.seconds)
    if arguments.rate:
        await open_loop(load, arguments.rate, arguments.connections, arguments.seed)
    else:
        await closed_loop(load, arguments.connections)
    ordered = sorted(1000 * seconds for seconds in load.latencies)
    return {
        "throughput": len(ordered) / arguments.seconds,
        "p50": quantile(ordered, 0.5),
        "p95": quantile(ordered, 0.95),
        "p99": quantile(ordered, 0.99),
        "max": ordered[-1] if ordered else None,
        "answers": len(ordered),
        "errors": dict(load.errors),
        "requests": load.answered,
        "client_cpu_ms": 1000 * (time.process_time() - load.cpu) / max(1, load.answered),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="where to post")
    parser.add_argument("photos", type=Path, help="folder of image files, sent in turn")
    parser.add_argument(
        "--connections",
        type=int,
        default=32,
        help="clients; with --rate the most that are used (default: %(default)s)",
    )
    parser.add_argument("--rate", type=float, help="open loop: requests per second")
    parser.add_argument("--seconds", type=float, default=5, help="default: %(default)s")
    parser.add_argument("--warm-up", type=float, default=0.5, help="seconds that do not count")
    parser.add_argument("--raw", action="store_true", help="the file as the body, not as a form")
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals")
    print(json.dumps(uvloop.run(measure(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
