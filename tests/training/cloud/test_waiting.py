"""Waiting for AWS: progress, and Ctrl-C."""

import io

import pytest

from tests.training.cloud.terminal import Terminal
from training.cloud import waiting
from training.errors import CloudError

NAME, KEPT = "garment-1", "All is kept."


def interrupted_once(status: int):
    answers = iter([KeyboardInterrupt(), status])

    def wait() -> int:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return wait


@pytest.mark.parametrize(("answer", "stops"), [("y\n", True), ("\n", False), ("", False)])
def test_ctrl_c_asks_whether_to_stop_the_job(monkeypatch, capsys, answer, stops):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    stopped = []
    status = waiting.watch(NAME, "again", KEPT, lambda: stopped.append(1), interrupted_once(1))

    said = capsys.readouterr().out
    assert "Stop garment-1? While it runs it costs money. All is kept. [y/N]" in said
    assert bool(stopped) == stops
    assert status == (1 if stops else waiting.INTERRUPTED)
    assert ("goes on and costs money; to watch it again: again" in said) != stops


def test_ctrl_c_without_a_terminal_leaves_the_job(capsys):
    assert (
        waiting.watch(NAME, "again", KEPT, pytest.fail, interrupted_once(1)) == waiting.INTERRUPTED
    )
    assert "goes on and costs money" in capsys.readouterr().out


class Output(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_on_a_terminal(monkeypatch):
    monkeypatch.setattr("training.cloud.waiting.sleep", lambda _: None)
    looks = iter([(False, "Creating"), (False, "Creating"), (True, "InService")])
    terminal = Output()
    monkeypatch.setattr("sys.stdout", terminal)
    waiting.wait_until_done(lambda: next(looks), 60, "Run it again")
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("0:00  InService\n")


def test_ctrl_c_says_that_aws_goes_on(monkeypatch, capsys):
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.cloud.waiting.sleep", interrupt)
    with pytest.raises(CloudError, match=r"AWS goes on with it\. Run it again"):
        waiting.wait_until_done(lambda: (False, "Creating"), 60, "Run it again")


def test_a_job_that_can_be_stopped_takes_ctrl_c_itself(monkeypatch):
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.cloud.waiting.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        waiting.wait_until_done(lambda: (False, "InProgress"), 60, None)
