"""What a run's figures say: the tables, with ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

BOTH = "decode and engine"
"""What the limit of a server is: `limits.py` measures it."""

Results = dict[str, Any]
Row = list[str]


def peak(results: Results, server: str, payload: str) -> float | None:
    """Best throughput over the connections, each the median of its rounds; None without any."""
    rates: dict[int, list[float]] = {}
    for told in _closed(results, server, payload):
        rates.setdefault(told["connections"], []).append(told["throughput"])
    return max((median(those) for those in rates.values()), default=None)


def peak_in_round(results: Results, server: str, payload: str, number: int) -> float | None:
    """Best throughput over the connections in one round; None without any."""
    return _by_round(_closed(results, server, payload), "throughput", max).get(number)


def peak_ratio(results: Results, server: str, other: str, payload: str) -> float | None:
    """Best throughput of `server` over that of `other`: the median of the rounds' ratios."""
    return _ratio(
        _by_round(_closed(results, server, payload), "throughput", max),
        _by_round(_closed(results, other, payload), "throughput", max),
    )


def single_ratio(results: Results, server: str, other: str, payload: str) -> float | None:
    """Median latency of a single client at `other` over that at `server`, likewise."""
    return _ratio(
        _by_round(_closed(results, other, payload, 1), "p50", min),
        _by_round(_closed(results, server, payload, 1), "p50", min),
    )


def limit_share(results: Results, server: str, payload: str) -> float | None:
    """Best throughput over that of decoding and the engine without HTTP, likewise."""
    limits = {
        told["round"]: max(told["rates"].values())
        for told in results["limits"]
        if (told["server"], told["payload"], told["what"]) == (server, payload, BOTH)
    }
    return _ratio(_by_round(_closed(results, server, payload), "throughput", max), limits)


def report(results: Results) -> str:
    """The tables, as Markdown."""
    machine = results["machine"]
    parts = [
        f"{machine['processor']}, {machine['cores']} cores for client and server; "
        f"Python {machine['python']}; load of the machine before the run "
        f"{machine['load_before']:.1f}; {machine['time']}.",
        _servers_table(results),
        *(_ratios_table(results, name) for name in results["ours"]),
        _limits_table(results),
        *(_payload_table(results, payload) for payload in results["payloads"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _servers_table(results: Results) -> str:
    payloads = list(results["payloads"])
    head = [f"{results['payloads'][one]}, best /s" for one in payloads]
    head = ["", *head, "one client, p50 ms", "p99 at half its peak, ms"]
    head += ["start, s", "first start, s", "memory under load, MB", "same labels"]
    rows = []
    for name, title in results["servers"].items():
        start = results["starts"].get(name, {})
        single = _by_round(_closed(results, name, payloads[0], 1), "p50", min)
        opened = _of(results["open"], name, payloads[0])
        same = [shares[name] for shares in results.get("same_labels", {}).values()]
        rows.append(
            [
                title,
                *(_number(peak(results, name, payload)) for payload in payloads),
                _number(median(single.values()) if single else None, 1),
                _number(_middle(one["p99"] for one in opened), 1),
                _number(start.get("start"), 2),
                _number(start.get("first_start"), 2),
                _number(start.get("peak_memory")),
                f"{100 * min(same):.0f} %" if same else "",
            ]
        )
    return _table(head, rows)


def _ratios_table(results: Results, server: str) -> str:
    others = [name for name in results["servers"] if name != server]
    title = results["servers"][server]
    rows: list[Row] = []
    for payload, name in results["payloads"].items():
        ratios = [peak_ratio(results, server, other, payload) for other in others]
        share = limit_share(results, server, payload)
        rows.append(
            [f"{name}: best throughput, ours / theirs", *map(_times, ratios), _percent(share)]
        )
    for payload, name in results["payloads"].items():
        ratios = [single_ratio(results, server, other, payload) for other in others]
        rows.append([f"{name}: one client, p50, theirs / ours", *map(_times, ratios), ""])
    rows = [row for row in rows if any(row[1:])]
    head = [title, *(results["servers"][other] for other in others), "share of the limit"]
    return _table(head, rows)


def _limits_table(results: Results) -> str:
    found: dict[tuple[str, str, str, int], list[dict[str, float]]] = {}
    for told in results["limits"]:
        key = told["server"], told["payload"], told["what"], told["batch"]
        found.setdefault(key, []).append(told["rates"])
    if not found:
        return ""
    kinds = list(next(iter(found.values()))[0])
    rows = [
        [
            f"{server} ({results['engines'][server]})",
            f"{results['payloads'][payload]}: {what}, batches of {batch}",
            *(_number(median(rates[kind] for rates in those)) for kind in kinds),
        ]
        for (server, payload, what, batch), those in found.items()
    ]
    return _table(["limits, without HTTP, images/s", "", *kinds], rows)


def _payload_table(results: Results, payload: str) -> str:
    head = [results["payloads"][payload], "connections", "/s", "p50 ms", "p95 ms", "p99 ms"]
    head += ["server CPU, ms each", "client CPU, ms each", "errors"]
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for kind in ("closed", "open"):
        for told in results[kind]:
            if told["payload"] == payload:
                way = "at random, half of the peak" if told["rate"] else str(told["connections"])
                cells.setdefault((told["server"], way), []).append(told)
    order = list(results["servers"])
    rows = []
    for (name, way), those in sorted(cells.items(), key=lambda cell: order.index(cell[0][0])):
        keys = [("throughput", 0), ("p50", 1), ("p95", 1), ("p99", 1)]
        keys += [("cpu_ms", 2), ("client_cpu_ms", 2)]
        figures = [_number(_middle(one[key] for one in those), digits) for key, digits in keys]
        errors: dict[str, int] = {}
        for one in those:
            for error, count in one["errors"].items():
                errors[error] = errors.get(error, 0) + count
        said = ", ".join(f"{count} x {error}" for error, count in errors.items())
        rows.append([results["servers"][name], way, *figures, said])
    return _table(head, rows)


def _of(those: list[dict[str, Any]], server: str, payload: str) -> list[dict[str, Any]]:
    return [one for one in those if (one["server"], one["payload"]) == (server, payload)]


def _closed(
    results: Results, server: str, payload: str, connections: int | None = None
) -> list[dict[str, Any]]:
    those = _of(results["closed"], server, payload)
    return [one for one in those if connections in (None, one["connections"])]


def _by_round(
    those: list[dict[str, Any]], key: str, best: Callable[[Iterable[float]], float]
) -> dict[int, float]:
    values: dict[int, list[float]] = {}
    for one in those:
        if one[key]:
            values.setdefault(one["round"], []).append(one[key])
    return {number: best(found) for number, found in values.items()}


def _ratio(ours: dict[int, float], theirs: dict[int, float]) -> float | None:
    return _middle(ours[number] / theirs[number] for number in ours.keys() & theirs.keys())


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(value: float | None, digits: int = 0) -> str:
    if value is None:
        return ""
    return f"{value:,.{max(digits, 1) if 0 < value < 100 else digits}f}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _table(head: Row, rows: list[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
