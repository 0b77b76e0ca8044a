"""The comparison of servers: its photos, its report, and a short run of it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

SERVING = Path(__file__).parent / "serving"
PNG = b"\x89PNG"


def run(*arguments: str, script: Path = SERVING) -> str:
    command = [sys.executable, str(script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout


def drawn(payload: str, folder: Path) -> list[bytes]:
    code = (
        "import sys, payloads, pathlib;"
        "payloads.write_payload(payloads.PAYLOADS[sys.argv[1]], pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, payload, str(folder)]
    subprocess.run(command, cwd=SERVING, check=True)
    return [file.read_bytes() for file in sorted((folder / payload).iterdir())]


@pytest.mark.parametrize(
    ("payload", "size", "kind", "least", "most"),
    [
        ("catalogue", (60, 80), "JPEG", 1_000, 2_500),
        ("photo", (400, 600), "JPEG", 30_000, 42_000),
        ("png", (400, 600), "PNG", 200_000, 500_000),
        ("webp", (400, 600), "WEBP", 25_000, 42_000),
        pytest.param("large", (4000, 3000), "JPEG", 2e6, 4e6, marks=pytest.mark.slow),
    ],
)
def test_drawn_photos_are_as_large_as_real_ones(
    payload: str, size: tuple[int, int], kind: str, least: float, most: float, tmp_path: Path
) -> None:
    files = drawn(payload, tmp_path / "one")

    assert len(set(files)) == len(files) > 1
    for data in files:
        assert least < len(data) < most
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert (image.size, image.format) == (size, kind)


def test_drawn_photos_are_always_the_same(tmp_path: Path) -> None:
    one, another = (drawn("catalogue", tmp_path / name) for name in ("one", "another"))
    assert one == another


def measured(server: str, round_: int, connections: int, throughput: float) -> dict[str, Any]:
    return {
        "server": server,
        "payload": "catalogue",
        "connections": connections,
        "round": round_,
        "rate": 0,
        "throughput": throughput,
        **dict.fromkeys(("p50", "p95", "p99"), 1000 / throughput),
        **dict.fromkeys(("cpu_ms", "client_cpu_ms"), 0.5),
        "errors": {},
    }


def test_report_gives_the_median_of_the_rounds_ratios(tmp_path: Path) -> None:
    """The second round was disturbed: both were slower in it, which changes no ratio."""
    rates = {"ours": (400, 40, 420), "litserve": (100, 10, 140)}
    results = {
        "machine": {"processor": "P", "cores": 2, "python": "3", "load_before": 0.1, "time": "now"},
        "servers": {"ours": "ours", "litserve": "LitServe"},
        "ours": ["ours"],
        "engines": {"ours": "openvino, int8"},
        "payloads": {"catalogue": "catalogue JPEG"},
        "starts": {"ours": {"start": 1.25, "first_start": 2.5, "peak_memory": 321.0}},
        "closed": [
            measured(server, number, connections, rate / (1 if connections == 32 else 2))
            for server, those in rates.items()
            for number, rate in enumerate(those)
            for connections in (1, 32)
        ],
        "open": [],
        "limits": [
            {
                "server": "ours",
                "payload": "catalogue",
                "what": "decode and engine",
                "batch": 16,
                "round": number,
                "rates": {"one": rate, "two": 2 * rate},
            }
            for number, rate in enumerate((400, 40, 400))
        ],
    }
    (tmp_path / "results.json").write_text(json.dumps(results))

    text = run("--report", str(tmp_path / "results.json"), "--output", str(tmp_path))

    assert "| catalogue JPEG: best throughput, ours / theirs | 4.00x | 50 % |" in text
    assert "| catalogue JPEG: one client, p50, theirs / ours | 4.00x |  |" in text
    assert "| ours | 400 | 5.0 |  | 1.25 | 2.50 | 321 |  |" in text
    assert (tmp_path / "report.md").read_text() in text
    assert (tmp_path / "throughput.png").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_short_run_measures_this_service(tmp_path: Path) -> None:
    few = ["--payloads", "catalogue", "--connections", "1,8", "--rounds", "1", "--seconds", "0.5"]

    run("--servers", "ours", *few, "--open-seconds", "1", "--output", str(tmp_path))

    results = json.loads((tmp_path / "results.json").read_text())
    assert {one["connections"] for one in results["closed"]} == {1, 8}
    for one in (*results["closed"], *results["open"]):
        assert one["errors"] == {}
        assert one["throughput"] > 0
        assert one["cpu_ms"] > 0
    assert results["starts"]["ours"]["start"] > 0
    assert results["starts"]["ours"]["peak_memory"] > 50
    assert {one["what"] for one in results["limits"]} == {"engine", "decode and engine"}
    assert results["same_labels"] == {"catalogue": {"ours": 1.0}}


@pytest.mark.slow
def test_ways_to_split_the_cores_are_compared() -> None:
    printed = run("--rounds", "1", "--seconds", "0.3", script=SERVING / "split.py")

    first, _, _, *table = printed.splitlines()
    assert "requests/s, p50 " in first
    rows = [line.split("|")[1:5] for line in table]
    assert len(rows) == 5
    for _, *ratios in rows:
        assert all(float(ratio) > 0 for ratio in ratios)
