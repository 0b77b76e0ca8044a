import json
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from training import checkpoint, train
from training.__main__ import main
from training.command import INTERRUPTED
from training.data.datasets import FOLDERS
from training.distributed import Processes
from training.trainer import Trainer

FAST = ("--epochs", "1", "--small-size", "32", "--small-share", "1", "--precision", "float32")


@pytest.fixture
def data(make_tree: Callable[..., Path]) -> Path:
    """Ten classes of stripes: 8 images each to train on, 2 to watch."""
    make_tree("data/train", dict.fromkeys(FOLDERS[:10], 8))
    return make_tree("data/valid", dict.fromkeys(FOLDERS[:10], 2), first=100).parent


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "export", lambda *_: None)


def command(output: Path, *data: Path) -> list[str]:
    sources = [text for folder in data for text in ("--data", str(folder))]
    return ["train", *FAST, "--output", str(output), *sources]


class _InterruptedAfter(Trainer):
    """A trainer to whom SIGTERM comes within its third step."""

    def _step(self, images: torch.Tensor, labels: torch.Tensor, strength: torch.Tensor) -> None:
        super()._step(images, labels, strength)
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("no_export")
def test_the_time_before_an_interruption_counts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = [*command(tmp_path / "run", data), "--batch-size", "16", "--diagnose", "off"]
    with monkeypatch.context() as patch:
        patch.setattr(train, "Trainer", _InterruptedAfter)
        assert main(started) == INTERRUPTED
    state = checkpoint.load(tmp_path / "run")
    assert state["seconds"] > 0
    del state["seconds"]  # as earlier versions wrote it

    for before in ({"seconds": 1000.0}, {}):
        checkpoint.save(tmp_path / "run", state | before)
        assert main([*started, "--resume"]) == 0
        [record] = map(json.loads, (tmp_path / "run/history.jsonl").read_text().splitlines())
        assert record["seconds"] // 1000 == len(before)
        # The record's seconds are rounded to a tenth, which is much of a fast machine's.
        slow, fast = (80 / (record["seconds"] + by) for by in (0.06, -0.06))
        assert slow - 0.06 < record["images_per_second"] < fast + 0.06
    assert checkpoint.load(tmp_path / "run")["seconds"] == 0, "the next epoch begins anew"


@pytest.fixture
def second_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and this is the second of several processes, whose others are not waited for."""
    second = Processes(rank=1, world=1, device=torch.device("cpu"))
    return lambda: monkeypatch.setattr(train, "processes", lambda: nullcontext(second))


@pytest.mark.usefixtures("no_export")
def test_what_is_summed_over_all_processes_counts_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second_process: Callable[[], None]
) -> None:
    started = [*command(tmp_path / "run", data), "--batch-size", "16", "--diagnose", "off"]
    monkeypatch.setattr(train, "Trainer", _InterruptedAfter)
    assert main(started) == INTERRUPTED
    seen = []
    monkeypatch.setattr(Trainer, "fit", lambda trainer: seen.append(trainer.sums[2].item()))

    assert main([*started, "--resume"]) == 0
    second_process()
    assert main([*started, "--resume"]) == 0

    assert seen == [48, 0]


@pytest.mark.usefixtures("no_export")
def test_each_process_augments_by_chance_of_its_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second_process: Callable[[], None]
) -> None:
    seeds = []

    def noted(images: torch.Tensor, strength: torch.Tensor, generator: torch.Generator) -> None:
        seeds.append((generator.initial_seed(), torch.initial_seed()))
        raise KeyboardInterrupt

    monkeypatch.setattr("training.trainer.augment", noted)
    for folder in ("first", "again", "second"):
        if folder == "second":
            second_process()
        with pytest.raises(KeyboardInterrupt):
            main(command(tmp_path / folder, data))

    first, again, second = seeds
    assert first == again
    assert not set(first) & set(second)


@pytest.mark.usefixtures("no_export")
def test_the_order_of_the_sources_is_kept(
    data: Path,
    make_tree: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_tree("photos/train", {"Coat": 8})
    photos = make_tree("photos/valid", {"Coat": 2}, first=100).parent
    assert main(command(tmp_path / "run", photos, data)) == 0

    assert main([*command(tmp_path / "run", data, photos), "--resume"]) == 2
    assert "another order: give --data as before, photos, data" in capsys.readouterr().err
    assert main([*command(tmp_path / "run", photos, data), "--resume"]) == 0


@pytest.mark.usefixtures("no_export")
def test_a_place_without_a_checkpoint_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(tmp_path / "run", data), "--resume"]) == 0  # a job begins like this
    said = capsys.readouterr()
    assert f"warning: --resume: there is no checkpoint in {tmp_path / 'run'}" in said.err
    assert main([*command(tmp_path / "run", data), "--resume"]) == 0
    said = capsys.readouterr()
    assert "no checkpoint" not in said.err
    assert "resumed after epoch 1" in said.out


@pytest.mark.parametrize(("split", "key"), [("train", "digest"), ("valid", "valid_digests")])
@pytest.mark.usefixtures("no_export")
def test_other_labels_or_names_are_other_data(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str, key: str
) -> None:
    started, file = command(tmp_path / "run", data), next((data / split / "Coat").iterdir())
    assert main(started) == 0

    file.rename(file.with_name("new.png"))
    assert main([*started, "--resume"]) == 2
    said = capsys.readouterr().err
    assert f"other data: the images of {split} have other names or labels" in said
    state = checkpoint.load(tmp_path / "run")
    del state[key]  # as earlier versions wrote it
    checkpoint.save(tmp_path / "run", state)
    assert main([*started, "--resume"]) == 0


@pytest.mark.usefixtures("no_export")
def test_more_images_to_watch_are_other_data(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = command(tmp_path / "run", data)
    assert main(started) == 0

    make_tree("data/valid", {"Coat": 1}, first=200)
    assert main([*started, "--resume"]) == 2
    assert "the images of valid have other names" in capsys.readouterr().err


def test_a_run_that_has_diverged_is_told_at_its_export(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started = [*command(tmp_path / "run", data), "--batch-size", "80", "--learning-rate", "1e6"]
    assert main(started) == 1
    capsys.readouterr()

    assert main([*started, "--resume"]) == 2
    assert "answers are not numbers: the run has diverged" in capsys.readouterr().err
    assert not (tmp_path / "run/model.pt").exists()
