import json
import time

import pytest
import torch
from torch import nn

from training import profiling
from training.profiling import PHASES, TIMED, TRACED, WARM_UP, Profile

ALL_STEPS = WARM_UP + TRACED + TIMED


def train(profile: Profile, steps: int, slow: float = 0.0) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        with profile.phase("data"):
            batch = torch.rand(16, 3, 8, 8)
            time.sleep(slow)
        with profile.phase("forward"):
            loss = network(batch).square().mean()
        with profile.phase("backward"):
            optimizer.zero_grad()
            loss.backward()
        with profile.phase("optimiser"):
            optimizer.step()
        profile.step()


def test_writes_a_trace_and_where_the_time_went(tmp_path, capsys):
    with Profile(tmp_path / "new" / "folder") as profile:
        train(profile, ALL_STEPS + 5, slow=0.003)
    folder = tmp_path / "new" / "folder"

    result = json.loads((folder / "profile.json").read_text())
    rows = {row["phase"]: row for row in result["phases"]}
    assert list(rows) == [*PHASES, "other"]
    assert result["steps_timed"] == TIMED
    assert rows["data"]["ms_per_step"] >= 3  # the sleep
    assert all(row["ms_per_step"] > 0 for row in rows.values())
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1, abs=1e-3)
    total = sum(row["ms_per_step"] for row in rows.values())
    assert total == pytest.approx(result["ms_per_step"], abs=0.01)

    assert result["steps_traced"] == TRACED
    names = [row["name"] for row in result["operators"]]
    assert any("convolution" in name for name in names)
    assert not set(names) & set(PHASES)
    times = [row["self_cpu_ms"] for row in result["operators"]]
    assert len(times) <= 15
    assert times == sorted(times, reverse=True)

    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    recorded = [event["name"] for event in events if event.get("cat") == "user_annotation"]
    assert {name: recorded.count(name) for name in PHASES} == dict.fromkeys(PHASES, TRACED)

    text = (folder / "profile.txt").read_text()
    printed = capsys.readouterr().out
    for name in PHASES:
        assert name in text
        assert name in printed
    assert names[0][:50] in text


def test_ends_on_its_own_and_costs_nothing_more(tmp_path, capsys):
    with Profile(tmp_path) as profile:
        train(profile, ALL_STEPS)
        assert (tmp_path / "profile.json").exists()  # not only at the end of a long run
        before = (tmp_path / "profile.json").read_text()
        assert profile.phase("data").__class__.__name__ == "nullcontext"
        train(profile, 30)
    assert (tmp_path / "profile.json").read_text() == before
    assert capsys.readouterr().out.count("ms per step") == 1


@pytest.mark.parametrize("steps", [0, 1, WARM_UP, WARM_UP + 2, WARM_UP + TRACED, ALL_STEPS - 4])
def test_a_run_shorter_than_the_profile_reports_what_there_was(tmp_path, steps):
    with Profile(tmp_path) as profile:
        train(profile, steps)
    result = json.loads((tmp_path / "profile.json").read_text())
    assert result["steps_traced"] == min(max(0, steps - WARM_UP), TRACED)
    assert result["steps_timed"] == max(0, steps - WARM_UP - TRACED)
    text = (tmp_path / "profile.txt").read_text()
    assert ("No step was timed" in text) == (result["steps_timed"] == 0)
    assert ("No step was traced" in text) == (steps <= WARM_UP)


def test_an_error_in_the_loop_is_not_hidden_and_the_profile_is_kept(tmp_path):
    def fail() -> None:
        with Profile(tmp_path) as profile:
            train(profile, WARM_UP + 1)
            with profile.phase("forward"):
                raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert json.loads((tmp_path / "profile.json").read_text())["steps_traced"] == 1
    train(Profile(None), 1)  # torch's profiler is not left running


def test_off_does_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profiling, "_now", lambda: pytest.fail("a clock was read"))
    profile = Profile(None)
    train(profile, ALL_STEPS + 1)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""
