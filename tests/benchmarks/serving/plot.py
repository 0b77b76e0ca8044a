"""Throughput and latency of the servers over the number of clients."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from report import BOTH

LARGEST = 3
"""Payloads that are drawn: those measured with more than one number of clients."""


def draw(results: dict[str, Any], file: Path) -> None:
    """One column for each payload: answers per second above, p99 below."""
    payloads = [name for name in results["payloads"] if len(_clients(results, name)) > 1][:LARGEST]
    if not payloads:
        return
    size = (1 + 4.2 * len(payloads), 7.5)
    figure, axes = plt.subplots(2, len(payloads), figsize=size, squeeze=False, sharex="col")
    for column, payload in enumerate(payloads):
        clients = _clients(results, payload)
        for row, (key, label) in enumerate(
            (("throughput", "answers per second"), ("p99", "p99, ms"))
        ):
            axis = axes[row][column]
            for number, (name, title) in enumerate(results["servers"].items()):
                points = [(one, _middle(results, name, payload, one, key)) for one in clients]
                known = [(one, value) for one, value in points if value is not None]
                if known:
                    style = "o-" if name in results["ours"] else "s--"
                    axis.plot(*zip(*known, strict=True), style, label=title, color=f"C{number}")
            axis.set_xscale("log", base=2)
            axis.set_xticks(clients, [str(one) for one in clients])
            axis.grid(alpha=0.3)
            if column == 0:
                axis.set_ylabel(label)
        axes[0][column].set_title(results["payloads"][payload], fontsize=10)
        axes[1][column].set_yscale("log")
        axes[1][column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[1][column].yaxis.set_major_formatter(ScalarFormatter())
        axes[1][column].yaxis.set_minor_formatter(NullFormatter())
        axes[1][column].set_xlabel("clients")
        for number, name in enumerate(results["servers"]):
            if limit := _limit(results, name, payload):
                label = f"{results['servers'][name]}: without HTTP"
                axes[0][column].axhline(limit, color=f"C{number}", linestyle=":", label=label)
        axes[0][column].set_ylim(bottom=0)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=9, frameon=False)
    figure.tight_layout(rect=(0, 0.03 + 0.03 * ((len(labels) + 2) // 3), 1, 1))
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _clients(results: dict[str, Any], payload: str) -> list[int]:
    return sorted({one["connections"] for one in results["closed"] if one["payload"] == payload})


def _middle(
    results: dict[str, Any], server: str, payload: str, connections: int, key: str
) -> float | None:
    wanted = (server, payload, connections)
    values = [
        one[key]
        for one in results["closed"]
        if (one["server"], one["payload"], one["connections"]) == wanted and one[key] is not None
    ]
    return median(values) if values else None


def _limit(results: dict[str, Any], server: str, payload: str) -> float | None:
    rates = [
        max(one["rates"].values())
        for one in results["limits"]
        if (one["server"], one["payload"], one["what"]) == (server, payload, BOTH)
    ]
    return median(rates) if rates else None
