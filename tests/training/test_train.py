import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from app.artifact import load_module, open_artifact
from app.card import DataSource
from tests.training.conftest import write_tree
from training import checkpoint, container, export, train
from training.__main__ import main
from training.batches import Images
from training.command import INTERRUPTED
from training.data.datasets import FOLDERS
from training.data.loading import load_split
from training.errors import DataError
from training.flags import from_arguments
from training.lineage import IMAGENET, data_source, learnt_from
from training.networks import normalise
from training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
TEN = FOLDERS[:10]


@pytest.fixture
def data(make_tree: Callable[..., Path]) -> Path:
    """Ten classes of stripes: 8 images each to train on, 2 to watch."""
    make_tree("data/train", dict.fromkeys(TEN, 8))
    return make_tree("data/valid", dict.fromkeys(TEN, 2), first=100).parent


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch on `data`, for those who copy it."""
    folder = tmp_path_factory.mktemp("first_run")
    for split, count, first in (("train", 8, 0), ("valid", 2, 100)):
        write_tree(folder / "data" / split, dict.fromkeys(TEN, count), first)
    assert run(flags(folder / "data", folder / "run", epochs=1)) == 0
    return folder / "run"


@pytest.fixture
def finished(first_run: Path, tmp_path: Path) -> Path:
    """A run that is through: `flags(data, finished, epochs=1)`."""
    return Path(shutil.copytree(first_run, tmp_path / "run"))


def flags(data: Path, output: Path, **changed: object) -> list[str]:
    chosen = {
        "data": data,
        "output": output,
        "epochs": 2,
        "batch-size": 16,
        "learning-rate": 0.02,
        "small-size": 32,
        "small-share": 1,
        "precision": "float32",
        "threads": 1,
        "ema-decay": 0.5,
        "diagnose": "warn",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    return [text for name, value in chosen.items() for text in (f"--{name}", str(value))]


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return parser.parse_args(arguments)


def run(arguments: list[str]) -> int:
    try:
        return train.run(parse(arguments))
    finally:
        torch.set_num_threads(os.cpu_count() or 1)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.default_int_handler)


def history(output: Path) -> list[dict[str, float]]:
    lines = (output / "history.jsonl").read_text().splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if "second" not in key}
        for line in lines
    ]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return checkpoint.result(checkpoint.load(output))


def assert_same_result(one: Path, other: Path) -> None:
    assert history(one) == history(other)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0, msg=name)


def test_a_run_leaves_an_artifact_that_has_learnt(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(flags(data, tmp_path / "run", epochs=4, version="1.2.3", augment=0))

    assert status == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "{" in line]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4]
    assert records[-1]["train_loss"] < records[0]["train_loss"]
    assert list((tmp_path / "run/tensorboard").iterdir())
    artifact = open_artifact(tmp_path / "run/model.pt")
    assert artifact.card.version == "1.2.3"
    assert artifact.card.hyperparameters["epochs"] == 4
    assert artifact.card.sources[0].images == 80
    assert not artifact.card.can_reject
    # The card's figure is what the artifact answers.
    valid = load_split(data / "valid", progress=False)
    module = load_module(artifact.path, "float32")
    with torch.inference_mode():
        answers = module.logits(normalise(valid.images)).argmax(dim=1)
    accuracy = (answers == valid.labels).double().mean().item()
    assert accuracy == pytest.approx(artifact.card.figures["data/valid"].accuracy)
    assert artifact.golden


class _InterruptedAfter(Trainer):
    """A trainer to whom SIGTERM comes within a step."""

    steps = 7

    def _step(self, images: torch.Tensor, labels: torch.Tensor, strength: torch.Tensor) -> None:
        super()._step(images, labels, strength)
        if self.step == self.steps:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "changed",
    [{}, pytest.param({"optimizer": "adamw", "learning_rate": 0.001}, marks=pytest.mark.slow)],
)
def test_an_interrupted_run_goes_on_to_the_same_result(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, object],
) -> None:
    assert run(flags(data, tmp_path / "whole", **changed)) == 0
    with monkeypatch.context() as patch:
        patch.setattr(train, "Trainer", _InterruptedAfter)
        assert run(flags(data, tmp_path / "parts", **changed)) == INTERRUPTED
    assert "--resume goes on" in capsys.readouterr().out
    assert checkpoint.load(tmp_path / "parts")["step"] == 7  # of 5 an epoch
    assert run(flags(data, tmp_path / "parts", resume="true", **changed)) == 0

    assert_same_result(tmp_path / "whole", tmp_path / "parts")


def test_ctrl_c_ends_an_export_and_the_run_can_be_exported_again(
    data: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finished / "model.pt").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(train, "export", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run(flags(data, finished, epochs=1, resume="true"))

    arguments = argparse.Namespace(run=finished, data=[data], version="1", output=None)
    assert export.run(arguments) == 0
    open_artifact(finished / "model.pt")


@pytest.mark.slow
def test_an_artifact_is_calibrated_again_on_other_photos(
    data: Path,
    finished: Path,
    make_tree: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = open_artifact(finished / "model.pt")
    ours = make_tree("ours/valid", dict.fromkeys(TEN, 10), first=300).parent
    (ours / "prepared.json").write_text(
        '{"name": "Our shop", "licence": "ours", "url": "https://x"}'
    )
    output = tmp_path / "other" / "model.pt"
    arguments = argparse.Namespace(run=first.path, data=[ours], version="2", output=None)

    with pytest.raises(DataError, match="--output is missing"):
        export.run(arguments)
    assert export.run(argparse.Namespace(**vars(arguments) | {"output": output})) == 0

    again = open_artifact(output)
    assert (again.card.version, list(again.card.figures)) == ("2", ["ours/valid"])
    assert again.card.calibration["scene"].images == 100
    for background in ("white", "black"):  # no image says anything about these
        assert again.card.calibration[background] == first.card.calibration[background]
    told = "\n".join(again.card.limitations)
    assert "again after its training, on Our shop (licence: ours, https://x; 100 images)." in told
    kept = "for images on white are kept from version 0.0.0 (for all images)"
    assert kept in told
    assert kept in capsys.readouterr().out, "who calibrates on too few photos is told"
    same = {"sources", "command", "hyperparameters", "architecture", "parameters"}
    assert again.card.model_dump(include=same) == first.card.model_dump(include=same)
    images = torch.zeros(1, 3, 112, 112)
    logits = [load_module(one.path, "float32").logits(images) for one in (first, again)]
    assert torch.equal(*logits)


def test_an_export_is_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(tmp_path), "--data", str(tmp_path), "--version", "1"]
    with pytest.raises(SystemExit):
        main([*command, "--output", str(tmp_path)])
    assert "is a folder: name a file" in capsys.readouterr().err


def test_the_place_of_an_export_is_tried_before_the_data_is_read(
    data: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (data / "valid" / "Coat" / "000.png").write_bytes(b"no image")
    command = ["export", str(finished), "--data", str(data), "--version", "1"]
    assert main([*command, "--output", str(tmp_path / "file" / "model.pt")]) == 2
    assert "File exists" in capsys.readouterr().err


def test_a_run_is_not_written_over_without_resume(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    for changed, flag in (
        ({"output": finished}, "--output"),
        ({"output": tmp_path / "new", "checkpoint_dir": finished}, "--checkpoint-dir"),
    ):
        said = (
            f"{finished} holds the checkpoint of another run: --resume goes on with it; or name "
            f"another {flag}"
        )
        with pytest.raises(checkpoint.CheckpointError, match=f"^{re.escape(said)}$"):
            run(flags(data, **{"epochs": 1, "seed": 5} | changed))
    after = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert after == before


def test_resuming_with_other_hyperparameters_is_refused(data: Path, finished: Path) -> None:
    with pytest.raises(checkpoint.CheckpointError, match=r"batch_size was 16 and is 32"):
        run(flags(data, finished, epochs=1, batch_size=32, resume="true"))


@pytest.mark.slow
def test_a_run_starts_from_the_result_of_another(
    data: Path,
    make_tree: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(flags(data, tmp_path / "first", epochs=5, augment=0, learning_rate=0.06))
    make_tree("data/train", {"other": 8})
    make_tree("data/valid", {"other": 2}, first=100)
    more = flags(data, tmp_path / "more", epochs=1, learning_rate=0, start_from=tmp_path / "first")

    assert run(more) == 0

    assert "poor_initialisation" not in capsys.readouterr().err
    card = open_artifact(tmp_path / "more/model.pt").card
    assert [source.images for source in card.sources] == [88], "the same data is not named twice"
    before, after = weights(tmp_path / "first"), weights(tmp_path / "more")
    assert torch.equal(before["conv1.weight"], after["conv1.weight"])
    assert after["fc.weight"].shape == (11, 512)
    assert torch.equal(before["fc.weight"], after["fc.weight"][:10]), "what was known is kept"
    with pytest.raises(checkpoint.CheckpointError, match="another network"):
        run([*more, "--output", str(tmp_path / "vgg16"), "--architecture", "vgg16"])


def test_categories_without_images_are_told_at_the_start_and_in_the_card(
    data: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "without images" not in " ".join(open_artifact(finished / "model.pt").card.limitations)
    for split in ("train", "valid"):
        for name in ("Sandal", "Bag"):
            shutil.rmtree(data / split / name)
    capsys.readouterr()
    model = finished / "model.pt"

    assert run(flags(data, tmp_path / "fewer", epochs=1, diagnose="off", start_from=model)) == 0

    warning = (
        "warning: no source has images of Sandal, Bag to train on: the result cannot tell them, "
        f"and what {model} knows of them is lost"
    )
    assert warning in capsys.readouterr().err
    line = "It was trained without images of Sandal, Bag"
    assert line in " ".join(open_artifact(tmp_path / "fewer/model.pt").card.limitations)
    arguments = argparse.Namespace(run=tmp_path / "fewer", data=[data], version="1", output=None)
    assert export.run(arguments) == 0
    assert line in " ".join(open_artifact(tmp_path / "fewer/model.pt").card.limitations)


@pytest.mark.slow
def test_the_card_names_what_the_first_model_had_learnt_from(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree("photos/train", {"Coat": 2, "other": 2})
    photos = make_tree("photos/valid", {"Coat": 1, "other": 1}, first=100).parent
    (photos / "prepared.json").write_text(
        '{"name": "Photos", "licence": "CC0", "url": "https://x"}'
    )
    (data / "prepared.json").write_text('{"name": "Fashion-MNIST", "licence": "MIT"}')
    run([*flags(data, tmp_path / "first", epochs=1), "--data", str(photos)])

    for number, start in enumerate((tmp_path / "first", tmp_path / "first/model.pt")):
        output = tmp_path / f"more{number}"
        capsys.readouterr()
        assert run(flags(data, output, epochs=1, start_from=start)) == 0
        assert "this run has no images of other, so its result cannot" in capsys.readouterr().out
        export.run(argparse.Namespace(run=output, data=[data], version="1", output=None))
        card = open_artifact(output / "model.pt").card
        assert [source.name for source in card.sources] == ["Fashion-MNIST", "Photos"]
        assert not any("has seen Fashion-MNIST alone" in line for line in card.limitations)

    state = checkpoint.load(tmp_path / "first")
    del state["sources"]  # as earlier versions wrote it
    checkpoint.save(tmp_path / "first", state)
    run(flags(data, tmp_path / "unknown", epochs=1, start_from=tmp_path / "first"))
    card = open_artifact(tmp_path / "unknown/model.pt").card
    assert [source.name for source in card.sources] == [
        "Fashion-MNIST",
        "whatever first learnt from",
    ]


def test_limits_that_no_image_stands_behind_are_told(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree("data/train", {"other": 4})
    run(flags(data, tmp_path / "run", epochs=1))

    told = " ".join(open_artifact(tmp_path / "run/model.pt").card.limitations)
    assert "its limit for that is a guess: no valid split has such images" in told
    assert "limits for images on white are those for all images: the valid splits have 0" in told
    assert "Its sets of labels" not in told
    shutil.rmtree(data / "valid/Dress")
    run(flags(data, tmp_path / "few", epochs=1))
    told = " ".join(open_artifact(tmp_path / "few/model.pt").card.limitations)
    assert "Its sets of labels for images on any other background hold all ten" in told


@pytest.mark.slow
def test_a_second_task_leaves_no_trace_in_the_result(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    for split, count, first in (("train", 20, 0), ("valid", 2, 100)):
        folder = make_tree(f"data/{split}", dict.fromkeys(TEN, 2 * count), first=first)
        for number, file in enumerate(sorted(folder.rglob("*.png"))):
            kind = "Odd" if number % 2 else "Even"
            file.rename(file.with_name(f"{kind}-{file.name}"))
    data = tmp_path / "data"

    assert run(flags(data, tmp_path / "run", epochs=1, finer=0.5, mix="both")) == 0
    state = checkpoint.load(tmp_path / "run")
    assert state["network"]["fc.weight"].shape == (10 + 20, 512)
    assert weights(tmp_path / "run")["fc.weight"].shape == (10, 512)
    assert run(flags(data, tmp_path / "run", epochs=1, finer=0.5, mix="both", resume="true")) == 0
    arguments = argparse.Namespace(run=tmp_path / "run", data=[data], version="1", output=None)
    assert export.run(arguments) == 0
    module = load_module(tmp_path / "run/model.pt", "float32")
    # Ten classes, and four ways up.
    assert module.logits(torch.zeros(1, 3, 112, 112)).shape == (1, 10 + 4)
    more = flags(data, tmp_path / "more", epochs=1, learning_rate=0, start_from=tmp_path / "run")
    assert run([*more, "--finer", "0.5"]) == 0
    assert torch.equal(
        weights(tmp_path / "run")["fc.weight"], weights(tmp_path / "more")["fc.weight"]
    )


@pytest.mark.slow
@pytest.mark.timeout(900)  # two trainings, on one thread
def test_teachers_are_believed_more_than_labels(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    long = {"epochs": 12, "augment": 0, "batch_size": 8, "seed": 1}
    run(flags(data, tmp_path / "teacher", **long))
    assert history(tmp_path / "teacher")[-1]["valid_accuracy"] > 0.6
    for number, name in enumerate(TEN):  # each class in the folder of the next
        (data / "train" / name).rename(data / "train" / f"was-{number}")
    for number in range(10):
        (data / "train" / f"was-{number}").rename(data / "train" / TEN[(number + 1) % 10])

    run(flags(data, tmp_path / "pupil", **long, teachers=tmp_path / "teacher/model.pt"))

    last = history(tmp_path / "pupil")[-1]
    assert last["valid_accuracy"] > 0.5, "whose labels are right"
    assert last["train_accuracy"] < 0.3, "whose labels are wrong, and can be learnt as well"


class _ToldLosses(Trainer):
    """A trainer whose weights tell the epoch, and whose losses on valid are known.

    Two epochs are small; after the fourth, a loss is the same and one is higher.
    """

    losses = (1.0, 1.1, 2.0, 1.8, 1.8, 1.85, 1.7)

    def _step(self, images: torch.Tensor, labels: torch.Tensor, strength: torch.Tensor) -> None:
        self.step += 1
        self.sums += len(labels)
        self.average.module.state_dict()["fc.bias"].fill_(len(self.history) + 1)

    def _validate(self, valid: Images, size: int) -> tuple[float, float]:
        return self.losses[len(self.history)], 0.5


def test_early_stop_gives_the_best_epoch_of_those_at_full_size(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "Trainer", _ToldLosses)
    monkeypatch.setattr(train, "export", lambda *_: None)
    chosen = flags(data, tmp_path / "run", epochs=7, early_stop=2, small_share=0.3)

    assert run(chosen) == 0

    state = checkpoint.load(tmp_path / "run")
    assert [record["size"] for record in state["history"]] == [32, 64, 112, 112, 112, 112]
    assert state["best"]["epoch"] == 4, "two epochs later there was no lower loss"
    assert set(checkpoint.result(state)["fc.bias"].tolist()) == {4.0}, "as it was then"


def test_other_makes_a_model_that_can_reject(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("data/train", dict.fromkeys(FOLDERS, 8))
    data = make_tree("data/valid", dict.fromkeys(FOLDERS, 2), first=100).parent

    assert run(flags(data, tmp_path / "run", epochs=1)) == 0

    artifact = open_artifact(tmp_path / "run/model.pt")
    assert artifact.card.can_reject
    probabilities, garment = load_module(artifact.path, "float32")(
        [torch.zeros(3, 50, 40, dtype=torch.uint8)]
    )
    assert probabilities.shape == (1, 10)
    assert 0 < garment.item() < 1


def test_sources_are_mixed(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = ("Coat", "Bag", "other")
    make_tree("photos/train", dict.fromkeys(photos, 6))
    home = make_tree("photos/valid", dict.fromkeys(photos, 2), first=100).parent
    (home / "prepared.json").write_text('{"name": "Photos", "licence": "CC0", "url": "https://x"}')
    chosen = flags(data, tmp_path / "run", weights="data=0.5,photos=2", augment_of="photos=0.8")

    assert run([*chosen, "--data", str(home), "--mix", "cutmix"]) == 0

    said = capsys.readouterr().out
    assert "98 images to train on, 26 to watch" in said
    record = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    both = record["valid_accuracy_data"] + record["valid_accuracy_photos"]
    assert record["valid_accuracy"] == pytest.approx(both / 2, abs=1e-4)
    assert checkpoint.load(tmp_path / "run")["step"] == 2 * ((40 + 36) // 16)
    card = open_artifact(tmp_path / "run/model.pt").card
    assert [(source.name, source.licence, source.images) for source in card.sources] == [
        ("data", "not stated", 80),
        ("Photos", "CC0", 18),
    ]
    assert set(card.figures) == {"data/valid", "photos/valid"}
    assert card.figures["photos/valid"].other is not None
    assert card.figures["data/valid"].other is None
    assert card.hyperparameters["weights"] == "data=0.5,photos=2"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"weights": "home=2"}, "--weights: no source is named 'home'; there are data"),
        ({"augment_of": "data=much"}, "--augment-of: 'data=much' is not NAME=NUMBER"),
    ],
)
def test_a_flag_that_names_no_source_is_told(
    data: Path, tmp_path: Path, changed: dict[str, str], problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        run(flags(data, tmp_path / "run", **changed))


def test_a_source_that_cannot_be_used_is_told_with_names(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    def problem(extra: Path) -> str:
        with pytest.raises(DataError) as told:
            run([*flags(data, tmp_path / "run"), "--data", str(extra)])
        return str(told.value)

    assert "missing is no folder" in problem(tmp_path / "missing")
    assert "two sources are named 'data'" in problem(data)
    (tmp_path / "empty").mkdir()
    assert "empty has none of train, valid, test" in problem(tmp_path / "empty")
    train_only = make_tree("half/train", {"Coat": 3}).parent
    assert "needs a 'valid' split, and half has none" in problem(train_only)
    make_tree("half/valid", {"Bag": 3})
    assert "valid split of half has classes that its train split lacks: Bag" in problem(train_only)
    (train_only / "train/Coat").rename(train_only / "train/Anorak")
    assert "'Anorak' is none of these classes: T-shirt-top, Trouser" in problem(train_only)


def test_images_grow_to_the_full_size(tmp_path: Path) -> None:
    options = from_arguments(
        parse(flags(tmp_path, tmp_path, epochs=11, small_size=80, small_share=0.45))
    )

    sizes = [options.image_size(epoch) for epoch in range(1, 12)]
    assert sizes == [80, 80, 80, 96, 96] + [112] * 6


def test_a_run_that_cannot_learn_is_stopped(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(flags(data, tmp_path / "run", learning_rate=1e6, diagnose="stop"))

    assert status == 1
    assert "loss_not_finite" in capsys.readouterr().err
    assert not (tmp_path / "run/model.pt").exists()


@pytest.mark.slow
def test_profile_says_where_the_time_goes(data: Path, tmp_path: Path) -> None:
    run(flags(data, tmp_path / "run", epochs=6, profile=tmp_path / "profile"))

    table = (tmp_path / "profile/profile.txt").read_text()
    for phase in ("data", "forward", "backward", "optimiser"):
        assert phase in table
    assert (tmp_path / "profile/trace.json").stat().st_size > 1_000


def test_channels_of_sagemaker_are_found(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", str(tmp_path / "output"))
    options = from_arguments(parse([]))
    assert options.model_dir == tmp_path / "model"
    assert options.output == tmp_path / "output"
    with pytest.raises(DataError, match="give --data, or start this on SageMaker"):
        container.data_of(options)

    splits = {"train": data / "train", "valid": data / "valid"}
    monkeypatch.setenv("SM_CHANNEL_HOME", str(data))
    assert container.data_of(options) == {"home": splits}
    monkeypatch.setenv("SM_CHANNEL_CATALOGUE", str(data))
    assert list(container.data_of(options)) == ["catalogue", "home"], "however they were set"
    monkeypatch.delenv("SM_CHANNEL_CATALOGUE")
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(data / "train"))
    monkeypatch.setenv("SM_CHANNEL_VALID", str(data / "valid"))
    assert container.data_of(options) == {"home": splits, container.CHANNELS: splits}
    (data / "train/train.zip").touch()
    with pytest.raises(DataError, match=r"has both train\.zip and T-shirt-top: remove one"):
        container.data_of(options)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--output", "x", "--epochs", "0"], "0 is not within 1 to 10000"),
        (["--output", "x", "--augment", "much"], "'much' is not a number"),
        (["--output", "x", "--architecture", "resnet50"], "invalid choice"),
        (["--output", "x", "--resume", "perhaps"], "expected true or false"),
    ],
)
def test_wrong_flags_are_told(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert problem in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_train_one_model(data: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--standalone", ROOT / "training/train.py"),
            *flags(data, tmp_path / "run", batch_size=40),
        ],
        cwd="/",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = process.communicate(timeout=280)[0]
    finally:
        process.kill()

    assert process.returncode == 0, said
    assert "2 x cpu" in said
    assert [record["epoch"] for record in history(tmp_path / "run")] == [1, 2]
    open_artifact(tmp_path / "run/model.pt")


def test_a_source_of_other_things_alone_may_be_mixed_in(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree("things/train", {"other": 8})
    things = make_tree("things/valid", {"other": 2}, first=100).parent
    command = flags(data, tmp_path / "run", epochs=1)

    assert run([*command, "--data", str(things)]) == 0
    card = open_artifact(tmp_path / "run" / "model.pt").card
    assert list(card.figures) == ["data/valid"]
    assert "things/valid: no image of the ten categories" in capsys.readouterr().out
    assert card.can_reject
    with pytest.raises(DataError, match="'train' split has an image of the ten"):
        run(flags(things, tmp_path / "things-alone", epochs=1))


def test_mistakes_are_told_before_training(
    data: Path, make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    command = flags(data, tmp_path / "run", epochs=1)
    for more, said in (
        (["--weights", "data=0"], "leaves no image"),
        (["--weights", "data=0.001"], "leaves no image"),
        (["--augment-of", "data=5"], "not a number from 0 to 1"),
    ):
        with pytest.raises(DataError, match=said):
            run([*command, *more])
    with pytest.raises(SystemExit):
        parse([*command, "--version", "not ok"])
    make_tree("data/test", {"Coat": 1}, first=200)
    (data / "test" / "Coat").rename(data / "test" / "Hats")
    with pytest.raises(DataError, match="'Hats' is none of these classes"):
        run(command)
    (data / "test" / "Hats").rename(data / "test" / "Coat")
    (data / "test" / "Coat" / "201.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"201\.png"):
        run(command)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_folders_are_tried_before_the_data_is_read(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (data / "train" / "Coat" / "000.png").write_bytes(b"no image")
    (tmp_path / "file").touch()
    monkeypatch.setenv("SM_OUTPUT_FAILURE", str(tmp_path / "failure"))
    for flag in ("output", "model_dir", "checkpoint_dir"):
        chosen = {"output": tmp_path / "run", flag: tmp_path / "file" / "x"}
        monkeypatch.setattr(sys, "argv", ["train.py", *flags(data, **chosen)])
        assert train.main() == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert "Not a directory" in said
        assert str(tmp_path / "file" / "x") in (tmp_path / "failure").read_text()


def test_who_made_the_data_is_read_before_the_images(data: Path, tmp_path: Path) -> None:
    (data / "train" / "Coat" / "000.png").write_bytes(b"no image")
    (data / "prepared.json").write_text('{"name": 5}')

    with pytest.raises(DataError, match=r"prepared\.json"):
        run(flags(data, tmp_path / "run"))


def test_resuming_with_other_data_is_refused(
    data: Path, finished: Path, make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("data/train", {"Coat": 1}, first=50)

    with pytest.raises(checkpoint.CheckpointError, match=r"data was .* and is"):
        run(flags(data, finished, epochs=1, resume="true"))
    arguments = argparse.Namespace(
        run=finished, data=[data], version="1.0.0", output=tmp_path / "model.pt"
    )
    with pytest.raises(checkpoint.CheckpointError, match="give the data of that run"):
        export.run(arguments)
    shutil.rmtree(data / "train")
    with pytest.raises(DataError, match="data has no 'train' split"):
        export.run(arguments)


def test_imagenet_is_named_where_its_weights_were_taken(data: Path) -> None:
    ours = [data_source("data", {"train": data / "train"})]

    assert learnt_from(ours, [], pretrained=True) == [*ours, IMAGENET]
    assert learnt_from(ours, [], pretrained=False) == ours


def test_sources_of_one_name_keep_their_licences() -> None:
    free = DataSource(name="images", licence="CC0", images=1000)
    other = DataSource(name="images", licence="CC BY-NC", images=5000)

    assert learnt_from([free, other], [], pretrained=False) == [free, other]
    [both] = learnt_from([free, free], [], pretrained=False)
    assert both.images == 2000
