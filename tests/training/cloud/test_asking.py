"""Questions at the terminal."""

import io

import pytest

from tests.training.cloud.terminal import Terminal
from training.cloud.asking import ask
from training.errors import CloudError


@pytest.mark.parametrize(
    ("answer", "agrees"),
    [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("", False)],
)
def test_only_yes_is_yes(monkeypatch, answer, agrees):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert ask("Start it?") is agrees


def test_without_a_terminal_nobody_says_yes(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CloudError, match=r"Start it\? There is no terminal to ask at: give --yes"):
        ask("Start it?")
