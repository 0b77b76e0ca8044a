from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training.grey_model import add_grey_image, save_grey_model
from training import compare as command
from training.__main__ import main
from training.comparison import Candidate, Comparison, compare
from training.datasets import FOLDERS
from training.speed import measure_speed


def write_data(folder: Path) -> Path:
    for name in FOLDERS[:10]:
        add_grey_image(folder / "test", name, "a.png")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command wrote of two models that are always right, and one that never is."""
    folder = tmp_path_factory.mktemp("compare")
    models = [
        save_grey_model(folder / "a.pt", version="1.0.0", work=20),
        save_grey_model(folder / "b.pt", version="2.0.0"),
        save_grey_model(folder / "c.pt", version="3.0.0", shift=1),
    ]
    arguments = ["compare", *map(str, models), "--data", str(write_data(folder / "data"))]
    assert main([*arguments, "--output", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture
def told(output: Path) -> Comparison:
    return Comparison.model_validate_json((output / "compare.json").read_text())


def test_models_are_measured_side_by_side(told: Comparison, output: Path) -> None:
    assert [candidate.evaluation.figures.accuracy for candidate in told.candidates] == [1, 1, 0]
    assert told.p_values[0] == told.p_values[1] == 1
    assert told.p_values[2] == pytest.approx(2 / 2**10)
    assert told.candidates[0].ratios == {1: 1.0, 32: 1.0}
    assert told.candidates[1].ratios[32] < 1  # it does less work
    page = (output / "compare.html").read_text()
    assert page.count("data:image/png;base64,") == page.count("<img ") == 1
    assert told.verdict in page
    assert (output / "compare.png").read_bytes().startswith(b"\x89PNG")


def candidates(told: Comparison, *ratios: float) -> list[Candidate]:
    return [
        candidate.model_copy(update={"ratios": {1: ratio, 32: ratio}})
        for candidate, ratio in zip(told.candidates, ratios, strict=True)
    ]


def answers(*right: int, of: int = 100) -> list[np.ndarray]:
    """For each model, whether it was right: the first so many images."""
    return [np.arange(of) < count for count in right]


def test_of_equally_good_models_the_fastest_is_best(told: Comparison) -> None:
    result = compare(candidates(told, 1.0, 0.25, 0.125), answers(90, 88, 10), "a machine")
    assert (result.most_accurate, result.best) == (0, 1)
    assert result.verdict.startswith("grey 2.0.0 (resnet18) is the best")
    assert "chance can explain (p = 0.50)" in result.verdict
    assert "4.0 times as fast" in result.verdict


def test_a_model_that_is_better_beyond_chance_is_best_though_slower(told: Comparison) -> None:
    result = compare(candidates(told, 1.0, 0.25, 0.125), answers(90, 70, 10), "a machine")
    assert (result.most_accurate, result.best) == (0, 0)
    assert "more than chance (p under 0.001)" in result.verdict
    assert "8.0 times as long for an image as grey 3.0.0" in result.verdict


def test_speed_takes_turns_and_gives_ratios(tmp_path: Path) -> None:
    slow = save_grey_model(tmp_path / "slow.pt", work=60)
    fast = save_grey_model(tmp_path / "fast.pt")
    first, second = measure_speed([slow, fast], batch=8, repeats=5)
    assert first.ratio == 1
    assert second.ratio < 0.5
    assert first.batch == 8
    assert first.milliseconds > second.milliseconds > 0


def test_train_trains_both_and_hands_arguments_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = save_grey_model(tmp_path / "model.pt")
    commands = []

    def trained(command: list[str], check: bool) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        output = Path(command[command.index("--output") + 1])
        output.mkdir(parents=True)
        shutil.copy(artifact, output / "model.pt")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(command.subprocess, "run", trained)
    output = tmp_path / "out"
    flags = ["--train", "--data", str(data), "--output", str(output), "--epochs", "2"]
    assert main(["compare", *flags, "--", "--seed", "1"]) == 0
    for name, used in zip(("resnet18", "vgg16"), commands, strict=True):
        assert used[:6] == [sys.executable, "-m", "training", "train", "--architecture", name]
        assert used[-4:] == ["--epochs", "2", "--seed", "1"]
        assert used[used.index("--output") + 1] == str(output / name)
    assert len(json.loads((output / "compare.json").read_text())["candidates"]) == 2


@pytest.mark.slow
def test_a_training_that_fails_is_the_end(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The data has no train split: the real training says so.
    flags = ["--train", "--data", str(data), "--output", str(tmp_path / "out")]
    assert main(["compare", *flags]) == 2
    assert "training resnet18 failed" in capsys.readouterr().err
    assert not (tmp_path / "out" / "compare.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["one.pt"], "two artifacts or more"), (["a", "b", "--epochs", "1"], "is for --train")],
)
def test_what_makes_no_sense_is_refused(
    flags: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *flags, "--data", str(data)]) == 2
    assert message in capsys.readouterr().err
