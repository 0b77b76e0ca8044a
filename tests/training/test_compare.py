from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from tests.training.conftest import write_tree
from tests.training.grey_model import add_grey_image, save_grey_model
from training import checkpoint, child
from training.__main__ import main
from training.command import INTERRUPTED
from training.compare import effort, table
from training.data.datasets import FOLDERS
from training.errors import DataError
from training.measurement import speed
from training.measurement.comparison import Comparison, Effort, compare
from training.measurement.speed import measure_speed
from training.reports.comparison import compare_report
from training.reports.page import write_report


def write_data(folder: Path, *names: str) -> Path:
    for name in names or FOLDERS[:10]:
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
        save_grey_model(folder / "a" / "model.pt", version="1.0.0", work=20),
        save_grey_model(folder / "b" / "model.pt", version="2.0.0"),
        save_grey_model(folder / "c" / "model.pt", version="3.0.0", shift=1),
    ]
    history = [{"epoch": 1, "seconds": 60.5}, {"epoch": 2, "seconds": 40}]
    (folder / "b" / "history.jsonl").write_text("\n".join(map(json.dumps, history)) + "\n")
    sources = [write_data(folder / "shop"), write_data(folder / "home", "Coat", "Dress", "other")]
    flags = [flag for source in sources for flag in ("--data", str(source))]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["compare", *map(str, models), *flags, "--output", str(folder / "out")]) == 0
    (folder / "out" / "printed").write_text(printed.getvalue())
    return folder / "out"


@pytest.fixture
def told(output: Path) -> Comparison:
    return Comparison.model_validate_json((output / "compare.json").read_text())


def test_models_are_measured_side_by_side_on_each_source(told: Comparison, output: Path) -> None:
    for candidate, accuracy in zip(told.candidates, [1, 1, 0], strict=True):
        measured = {entry.source: entry.figures.accuracy for entry in candidate.sources}
        assert measured == {"shop": accuracy, "home": accuracy}
    assert [entry.figures.images for entry in told.candidates[0].sources] == [10, 2]
    assert told.p_values == [1, 1, pytest.approx(2 / 2**12)]
    assert told.source_p_values == {
        "shop": [1, 1, pytest.approx(2 / 2**10)],
        "home": [1, 1, 0.5],
    }
    assert told.candidates[0].ratios == {1: 1.0, 32: 1.0}
    assert told.candidates[1].ratios[32] < 1  # it does less work
    page = (output / "compare.html").read_text()
    assert page.count("data:image/png;base64,") == page.count("<img ") == 1
    assert told.verdict in page
    cells = r"</th>\s+<td>p = 1\.000</td>\s+<td>p = 1\.000</td>\s+<td>"
    assert re.search(rf"On shop{cells}p = 0\.002</td>", page)
    assert re.search(rf"On all images{cells}p under 0\.001</td>", page)
    assert re.search(r"home, 2 images</th>\s+<td>100\.0 % ", page)
    assert (output / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_what_training_took_is_read_from_the_history(told: Comparison, output: Path) -> None:
    assert [candidate.training for candidate in told.candidates] == [
        None,
        Effort(epochs=2, seconds=100.5),
        None,
    ]
    assert re.search(r"<td>100 s</td>", (output / "compare.html").read_text())
    printed = (output / "printed").read_text()
    assert re.search(r"^ +shop +home +mean +MB ", printed, re.MULTILINE)
    assert re.search(r"^grey 2.* ( +100\.00 %){3} .* 100 s$", printed, re.MULTILINE)


def test_a_history_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(DataError, match=r"history\.jsonl: not what train writes there"):
        effort(tmp_path / "model.pt")


def scene(
    told: Comparison, of: dict[str, int], *models: tuple[float, dict[str, int]]
) -> Comparison:
    """A comparison of models whose ratio, and how many of each source are right, are given."""
    candidates, right = [], {source: [] for source in of}
    for index, (ratio, counts) in enumerate(models):
        base = told.candidates[index]
        sources = []
        for source, count in counts.items():
            entry = base.sources[0]
            figures = entry.figures.model_copy(update={"accuracy": count / of[source]})
            sources.append(entry.model_copy(update={"source": source, "figures": figures}))
            right[source].append(np.arange(of[source]) < count)
        evaluations = base.evaluations.model_copy(update={"sources": sources})
        ratios = {1: ratio, 32: ratio}
        candidates.append(base.model_copy(update={"evaluations": evaluations, "ratios": ratios}))
    return compare(candidates, right, "a machine")


def test_of_equally_good_models_the_fastest_is_best(told: Comparison) -> None:
    models = (1.0, {"shop": 90}), (0.25, {"shop": 88}), (0.125, {"shop": 10})
    result = scene(told, {"shop": 100}, *models)
    assert (result.most_accurate, result.best) == (0, 1)
    assert result.verdict.startswith("grey 2.0.0 (resnet18) is the best")
    assert "is right on 90.00 % of the images, and this one on 88.00 %" in result.verdict
    assert "chance can explain (p = 0.500)" in result.verdict
    assert "4.0 times as fast" in result.verdict


@pytest.mark.parametrize("ratio", [1.05, 0.92])
def test_the_noise_of_timing_does_not_choose(told: Comparison, ratio: float) -> None:
    models = (1.0, {"shop": 90}), (ratio, {"shop": 88}), (1.3, {"shop": 90})
    result = scene(told, {"shop": 100}, *models)
    assert result.best == 0
    assert "none is faster by more than 10 %" in result.verdict


def test_of_copies_the_first_is_best(told: Comparison) -> None:
    copies = (1.0, {"shop": 90}), (0.96, {"shop": 90}), (1.04, {"shop": 90})
    assert scene(told, {"shop": 100}, *copies).best == 0
    slower = (1.0, {"shop": 90}), (0.5, {"shop": 90}), (0.48, {"shop": 90})
    assert scene(told, {"shop": 100}, *slower).best == 1


def test_artifacts_of_one_name_and_version_are_told_apart(told: Comparison, tmp_path: Path) -> None:
    first, second, third = told.candidates
    twin = second.model_copy(update={"evaluations": first.evaluations})
    twins = told.model_copy(update={"candidates": [first, twin, third]})
    models = (1.0, {"shop": 90}), (0.25, {"shop": 88}), (0.125, {"shop": 10})
    result = scene(twins, {"shop": 100}, *models)

    one, other, alone = result.titles
    assert one == f"grey 1.0.0 (resnet18) at {first.path}"
    assert other == f"grey 1.0.0 (resnet18) at {second.path}"
    assert alone == "grey 3.0.0 (resnet18)"
    assert result.verdict.startswith(f"{other} is the best: {one} is right on 90.00 %")
    for title in result.titles:
        assert f"\n{title} " in table(result)
    write_report(compare_report(result, b"", ""), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f"McNemar&#39;s test against {one}" in page
    assert f"{other} (best)" in page


def test_a_model_that_is_better_beyond_chance_is_best_though_slower(told: Comparison) -> None:
    models = (1.0, {"shop": 90}), (0.25, {"shop": 70}), (0.125, {"shop": 10})
    result = scene(told, {"shop": 100}, *models)
    assert (result.most_accurate, result.best) == (0, 0)
    assert "more than chance (p under 0.001)" in result.verdict
    assert "8.0 times as long for an image as grey 3.0.0" in result.verdict


def test_each_source_counts_the_same_however_small(told: Comparison) -> None:
    # The second is right more often on all images together: they are nearly all of the shop.
    of = {"shop": 9000, "home": 100}
    models = (1.0, {"shop": 8900, "home": 80}), (1.5, {"shop": 8905, "home": 76})
    result = scene(told, of, *models)
    assert (result.most_accurate, result.best) == (0, 0)
    assert "of the images, as the mean of 2 sources" in result.verdict


def test_what_is_lost_on_one_source_is_not_hidden_by_another(told: Comparison) -> None:
    # Far faster and as good on the shop, but 10 of 100 worse at home.
    of = {"shop": 9000, "home": 100}
    models = (1.0, {"shop": 8900, "home": 80}), (0.1, {"shop": 8910, "home": 70})
    result = scene(told, of, *models)
    assert result.p_values[1] == 1  # pooled, nothing is to be seen
    assert result.best == 0
    assert "more than chance (p = 0.002 on home)" in result.verdict


def test_two_sources_are_two_chances_to_err(told: Comparison) -> None:
    # Six fewer of 100 have p = 0.031: beyond chance on one source, not on one of two.
    one = scene(told, {"shop": 100}, (1.0, {"shop": 90}), (0.1, {"shop": 84}))
    assert one.best == 0
    of = {"shop": 100, "home": 100}
    models = (1.0, {"shop": 90, "home": 90}), (0.1, {"shop": 84, "home": 92})
    two = scene(told, of, *models)
    assert two.source_p_values["shop"][1] == one.p_values[1] == pytest.approx(2 / 2**6)
    assert (two.most_accurate, two.best) == (0, 1)


def test_a_model_with_more_right_is_not_called_worse(told: Comparison) -> None:
    # Lower in the mean by what chance can explain, but better on all images beyond chance.
    of = {"shop": 9000, "home": 100}
    models = (1.0, {"shop": 8900, "home": 80}), (0.5, {"shop": 8930, "home": 78})
    result = scene(told, of, *models)
    assert (result.most_accurate, result.best) == (0, 1)
    assert result.p_values[1] < 0.001
    assert "but of all images together this one gets more right" in result.verdict


def test_speed_takes_turns_and_gives_ratios(tmp_path: Path) -> None:
    slow = save_grey_model(tmp_path / "slow.pt", work=60)
    fast = save_grey_model(tmp_path / "fast.pt")
    first, second = measure_speed([slow, fast], batch=8, repeats=5)
    assert first.ratio == 1
    assert second.ratio < 0.5
    assert first.batch == 8
    assert first.milliseconds > second.milliseconds > 0


def test_what_a_network_does_once_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """TorchScript compiles in its first calls."""
    called: list[Path] = []
    timed: list[tuple[Path, int]] = []

    class Noted(nn.Module):
        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

        def logits(self, _: Tensor) -> None:
            called.append(self.path)

    def now() -> float:
        timed.append((called[-1], len(called)))
        return len(timed)

    monkeypatch.setattr(speed, "load_module", lambda path, _: Noted(path))
    monkeypatch.setattr(speed.time, "perf_counter", now)
    paths = [Path("a"), Path("b")]
    measure_speed(paths, batch=1, repeats=2)

    assert called[: timed[0][1]] == [path for path in paths for _ in range(speed.WARM_UP)]
    assert len(called) == 2 * (speed.WARM_UP + 2)
    assert speed.WARM_UP > 1


class _Child(contextlib.nullcontext[Any]):
    """Stands in for the process of a training: it ends with `status` after so many Ctrl-C."""

    status, ctrl_c = 0, 0

    def __init__(self, command: list[str]) -> None:
        super().__init__(self)

    def wait(self) -> int:
        if self.ctrl_c:
            self.ctrl_c -= 1
            raise KeyboardInterrupt
        return self.status


def test_train_trains_both_and_hands_arguments_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = save_grey_model(tmp_path / "model.pt")
    commands = []

    class Trained(_Child):
        def __init__(self, command: list[str]) -> None:
            super().__init__(command)
            commands.append(command)
            output = Path(command[command.index("--output") + 1])
            output.mkdir(parents=True)
            shutil.copy(artifact, output / "model.pt")

    monkeypatch.setattr(child.subprocess, "Popen", Trained)
    output = tmp_path / "out"
    home = write_data(tmp_path / "home", "Coat")
    flags = ["--train", "--data", str(data), "--data", str(home), "--output", str(output)]
    assert main(["compare", *flags, "--epochs", "2", "--", "--seed", "1"]) == 0
    for name, used in zip(("resnet18", "vgg16"), commands, strict=True):
        assert used[:6] == [sys.executable, "-m", "training", "train", "--architecture", name]
        assert used[6:10] == ["--data", str(data), "--data", str(home)]
        assert used[-4:] == ["--epochs", "2", "--seed", "1"]
        assert used[used.index("--output") + 1] == str(output / name)
    assert len(json.loads((output / "compare.json").read_text())["candidates"]) == 2


def test_ctrl_c_waits_for_the_checkpoint_of_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--train", "--data", str(data), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(child.subprocess, "Popen", _Child)
    monkeypatch.setattr(_Child, "ctrl_c", 2)
    monkeypatch.setattr(_Child, "status", INTERRUPTED)

    assert main(["compare", *flags]) == INTERRUPTED
    said = capsys.readouterr()
    assert "training vgg16" not in said.out
    assert "the same command with --resume after -- goes on" in said.out
    assert "error" not in said.err

    monkeypatch.setattr(_Child, "status", -signal.SIGINT)  # it was still reading the data
    with pytest.raises(KeyboardInterrupt):
        main(["compare", *flags])


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_leaves_a_checkpoint(tmp_path: Path) -> None:
    for split, count in (("train", 60), ("valid", 2)):
        write_tree(tmp_path / "data" / split, {"Coat": count, "Dress": count})
    command = [
        sys.executable, "-m", "training", "compare", "--train", "--data", str(tmp_path / "data"),
        "--split", "valid", "--output", str(tmp_path / "out"), "--", "--threads", "1",
        "--batch-size", "8", "--small-size", "32", "--small-share", "1", "--epochs", "500",
    ]  # fmt: skip
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which the child inherits
    try:
        # A session of its own, since a terminal signals all that runs in it.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        assert any('"epoch": 1' in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    finally:
        signal.signal(signal.SIGINT, before)
        process.kill()

    assert process.returncode == INTERRUPTED, said
    assert "--resume goes on" in said
    assert checkpoint.load(tmp_path / "out" / "resnet18")["step"] > 15, "beyond the first epoch"


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
    [
        (["one.pt"], "two artifacts or more"),
        (["a", "b", "--epochs", "1"], "is for --train"),
        (["--train", "--split", "valid"], "no 'valid' split"),  # before anything is trained
    ],
)
def test_what_makes_no_sense_is_refused(
    flags: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *flags, "--data", str(data)]) == 2
    assert message in capsys.readouterr().err


def test_mistakes_are_told_before_measuring(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    things = write_data(tmp_path / "things", "other")
    (tmp_path / "file").touch()
    for more, said in (
        (["--data", str(things)], "things has no image of the ten categories"),
        (["--output", str(tmp_path / "file" / "x")], "file/x: Not a directory"),
    ):
        assert main(["compare", "a.pt", "b.pt", "--data", str(data), *more]) == 2
        assert said in capsys.readouterr().err
