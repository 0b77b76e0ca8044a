"""The README says what is so, and what it says to type works."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from app.artifact import open_artifact
from app.card import Figures
from app.errors import all_errors
from app.settings import BUNDLED_MODEL, PREFIX, Settings
from training import cloud
from training.__main__ import COMMANDS, _parser

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
TYPED = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
ANSWERS = [json.loads(block) for kind, block in BLOCKS if kind == "json"]


def test_every_error_is_listed_as_it_is() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.*) \|$", README, re.MULTILINE)

    assert rows == [
        (str(error.status), error.code, " ".join((error.__doc__ or "").split()))
        for error in all_errors()
    ]


def test_every_setting_is_listed_as_it_is() -> None:
    rows = dict(re.findall(rf"^\| `({PREFIX}\w+)` \| .* \| (.*) \|$", README, re.MULTILINE))

    assert rows == {
        PREFIX + name.upper(): field.description for name, field in Settings.model_fields.items()
    }
    for name, field in Settings.model_fields.items():
        if name not in ("model", "cache", "endpoint_name"):
            assert f"| `{PREFIX}{name.upper()}` | `{field.default}` |" in README


def test_every_command_of_training_is_listed() -> None:
    assert (
        tuple(re.findall(r"^\| `(\w+)` \| \w", README, re.MULTILINE)[-len(COMMANDS) :]) == COMMANDS
    )
    assert tuple(re.findall(r"^\| `cloud (\w+)` \| \w", README, re.MULTILINE)) == cloud.COMMANDS


@pytest.mark.parametrize(
    "line",
    [line for line in TYPED if "-m training" in line],
    ids=lambda line: " ".join(line.split()[3:5]),
)
def test_the_commands_of_training_have_these_flags(line: str) -> None:
    words = shlex.split(line)
    assert words[:3] == [".venv/bin/python", "-m", "training"]

    _parser(words[3:]).parse_args(words[3:])


def figures_tables(figures: dict[str, Figures]) -> str:
    """The README's tables of what the bundled model's card says, as Markdown."""

    def percent(share: float | None) -> str:
        return "none" if share is None else f"{100 * share:.2f} %"

    lines = [
        "| split | accuracy | macro-F1 | ECE | accepted without review | right of these | "
        "`labels` hold the truth | labels per photo |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {percent(said.accuracy)} | {percent(said.macro_f1)} | {said.ece:.3f} "
        f"| {percent(said.review.accepted)} | {percent(said.review.accuracy)} "
        f"| {percent(said.conformal.coverage)} | {said.conformal.mean_size:.2f} |"
        for name, said in sorted(figures.items())
    ]
    lines += ["", "| `other` in | images | AUROC | FPR95 | flagged | garments flagged |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | {said.other.images:,} | {said.other.auroc:.4f} "
        f"| {percent(said.other.fpr95)} | {percent(said.other.flagged)} "
        f"| {percent(said.other.garments_flagged)} |"
        for name, said in sorted(figures.items())
        if said.other is not None
    ]
    return "\n".join(lines)


def test_the_figures_are_those_of_the_bundled_model() -> None:
    expected = figures_tables(open_artifact(BUNDLED_MODEL).card.figures)

    assert expected in README, f"put this into README.md:\n{expected}"


@pytest.mark.slow
def test_the_first_screen_works_as_it_is_written() -> None:
    """`make serve`, then each curl, on another port than the README's."""
    assert TYPED[0] == "make serve"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = subprocess.Popen(
        ["make", "serve", f"PORT={port}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/health/ready", service)
        curls = [line for line in TYPED if line.startswith("curl ") and ":8000/" in line]
        assert len(curls) == len(ANSWERS) == 2
        for line, expected in zip(curls, ANSWERS, strict=True):
            command = shlex.split(line.replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
            said = subprocess.run([*command, "-s"], cwd=ROOT, capture_output=True, check=True)
            assert _comparable(json.loads(said.stdout)) == _comparable(expected)
    finally:
        os.killpg(service.pid, signal.SIGTERM)
        said, _ = service.communicate(timeout=60)
    assert f"curl -F file=@tests/samples/ankle-boot.png http://127.0.0.1:{port}/predict" in said


def _wait_until_ready(url: str, service: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 280
    while time.monotonic() < deadline:
        assert service.poll() is None, service.communicate()
        try:
            if httpx.get(url, timeout=10).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError("not ready in time")


def _comparable(answer: dict) -> dict:
    """Without what differs from request to request, and from processor to processor."""
    answer = {name: value for name, value in answer.items() if name not in ("request_id",)}
    if "timings_ms" in answer:
        answer["timings_ms"] = sorted(answer["timings_ms"])
        for name in ("confidence", "garment_probability"):
            answer[name] = round(answer[name], 1)
        for entry in answer["probabilities"]:
            entry["probability"] = round(entry["probability"], 1)
        # The second place is a tie of next to nothing.
        answer["probabilities"] = [answer["probabilities"][0], len(answer["probabilities"])]
    return answer
