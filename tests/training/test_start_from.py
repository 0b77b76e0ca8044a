"""What a run starts from, and is taught by: an artifact or a job's archive, here or on S3."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.cards import make_card
from tests.training.conftest import packed
from training import checkpoint, train
from training.__main__ import main
from training.data.datasets import FOLDERS
from training.garment_model import GarmentModel
from training.networks import build_network
from training.scripted import golden_images, round_to_float16, save_artifact


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An artifact of ten outputs."""
    network = build_network("resnet18", 10)
    round_to_float16(network)
    garment_model, path = GarmentModel(network).eval(), tmp_path / "model.pt"
    golden = golden_images(garment_model, [torch.zeros(3, 8, 8).byte()])
    save_artifact(garment_model, make_card(), golden, path)
    return path


@pytest.fixture
def command(
    make_tree: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """A run of one epoch that learns nothing and is not exported."""
    monkeypatch.setattr(train, "export", lambda *_: None)
    make_tree("data/train", dict.fromkeys(FOLDERS[:10], 8))
    data = make_tree("data/valid", dict.fromkeys(FOLDERS[:10], 2), first=100).parent
    given = ["--data", str(data), "--output", str(tmp_path / "run"), "--epochs", "1"]
    fast = ["--small-size", "32", "--small-share", "1", "--precision", "float32"]
    return ["train", *given, *fast, "--learning-rate", "0", "--diagnose", "off"]


def test_a_job_s_archive_and_what_lies_on_s3_are_taken(
    model: Path, command: list[str], tmp_path: Path, s3
) -> None:
    archive = packed(model, tmp_path / "model.tar.gz")
    s3.put_object(Bucket="shop", Key="jobs/1/output/model.tar.gz", Body=archive.read_bytes())
    s3.put_object(Bucket="shop", Key="garments/1.0.0/model.pt", Body=model.read_bytes())
    start = "s3://shop/jobs/1/output/model.tar.gz"
    taught = f"{archive},s3://shop/garments/1.0.0/model.pt"
    started = [*command, "--start-from", start, "--teachers", taught]

    assert main(started) == 0

    before, after = checkpoint.weights_of(model), checkpoint.weights_of(tmp_path / "run")
    assert torch.equal(before["conv1.weight"], after["conv1.weight"])
    state = checkpoint.load(tmp_path / "run")
    assert state["hyperparameters"]["start_from"] == start
    assert {source["name"] for source in state["sources"]} > {
        source.name for source in make_card().sources
    }
    assert main([*started, "--resume"]) == 0


def test_a_run_that_was_started_from_a_folder_is_resumed_however_that_is_written(
    command: list[str], tmp_path: Path
) -> None:
    assert main(command) == 0
    started = [*command, "--output", str(tmp_path / "more")]
    assert main([*started, "--start-from", str(tmp_path / "run")]) == 0
    assert main([*started, "--start-from", f"{tmp_path}/run/", "--resume"]) == 0


@pytest.mark.parametrize("flag", ["--start-from", "--teachers"])
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("s3://shop/none/model.tar.gz", "s3://shop/none/model.tar.gz is not there"),
        ("damaged.tar.gz", "damaged.tar.gz is no .tar.gz, or is damaged"),
    ],
)
def test_what_is_no_model_is_told_in_a_line_also_in_a_job(
    command: list[str], monkeypatch, tmp_path, s3, capsys, flag, given, problem
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("damaged.tar.gz").write_bytes(b"damaged")
    started = [*command, flag, given]
    assert main(started) == 2
    monkeypatch.setattr("sys.argv", started)
    assert train.main() == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 2
    assert all(line.startswith(f"error: {problem}") for line in told)
