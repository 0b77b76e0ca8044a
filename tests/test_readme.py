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
from app.errors import all_errors
from app.settings import BUNDLED_MODEL, PREFIX, Settings
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
        if name not in ("model", "cache"):
            assert f"| `{PREFIX}{name.upper()}` | `{field.default}` |" in README


def test_every_command_of_training_is_listed() -> None:
    assert (
        tuple(re.findall(r"^\| `(\w+)` \| \w", README, re.MULTILINE)[-len(COMMANDS) :]) == COMMANDS
    )


@pytest.mark.parametrize(
    "line", [line for line in TYPED if "-m training" in line], ids=lambda line: line.split()[3]
)
def test_the_commands_of_training_have_these_flags(line: str) -> None:
    words = shlex.split(line)
    assert words[:3] == [".venv/bin/python", "-m", "training"]

    _parser(words[3]).parse_args(words[3:])


def test_the_figures_are_those_of_the_bundled_model() -> None:
    figures = open_artifact(BUNDLED_MODEL).card.figures
    rows = dict(re.findall(r"^\| `([\w-]+/\w+)` \| ([\d.]+) %", README, re.MULTILINE))

    assert rows == {name: f"{100 * said.accuracy:.2f}" for name, said in figures.items()}


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
        curls = [line for line in TYPED if line.startswith("curl ")]
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
        answer["confidence"] = round(answer["confidence"], 1)
        for entry in answer["probabilities"]:
            entry["probability"] = round(entry["probability"], 1)
        # The second place is a tie of next to nothing.
        answer["probabilities"] = [answer["probabilities"][0], len(answer["probabilities"])]
    return answer
