import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.cards import make_card
from training import checkpoint
from training.errors import CheckpointError
from training.garment_model import GarmentModel
from training.networks import build_network
from training.scripted import golden_images, round_to_float16, save_artifact
from training.whole_files import written_whole


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {"hyperparameters": {"seed": 1}, "weights": torch.arange(3)}
    checkpoint.save(tmp_path / "run", state)

    for path in (tmp_path / "run", tmp_path / "run" / checkpoint.FILE):
        assert torch.equal(checkpoint.load(path)["weights"], torch.arange(3))


@contextmanager
def little_room() -> Iterator[None]:
    """No file can grow beyond 100 kB: a write fails half-way, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("numbers", [50_000, 1_000_000])
def test_a_failed_write_leaves_the_last_one(tmp_path: Path, numbers: int) -> None:
    path = checkpoint.save(tmp_path, {"hyperparameters": {}, "step": 1})
    state = {"hyperparameters": {}, "step": 2, "weights": torch.zeros(numbers)}

    with little_room(), pytest.raises(OSError, match="File too large") as told:
        checkpoint.save(tmp_path, state)

    assert told.value.filename == str(path)
    assert checkpoint.load(tmp_path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path], "half a checkpoint takes no room"


@pytest.mark.parametrize("name", ["labels.partial", "labels.part", "labels"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    for content in (b"first", b"second"):
        with written_whole(tmp_path / name) as file:
            file.write(content)
        assert (tmp_path / name).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no checkpoint there"), (b"rubbish", "cannot be read"), (b"", "cannot be read")],
)
def test_what_is_no_checkpoint_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / checkpoint.FILE).write_bytes(content)

    with pytest.raises(CheckpointError, match=problem):
        checkpoint.load(tmp_path)


def test_another_runs_checkpoint_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"seed was 1 and is 2\. Give the same flags"):
        checkpoint.check_same_run(Path("x"), {"seed": 1, "epochs": 3}, {"seed": 2, "epochs": 3})


@pytest.fixture
def artifact(tmp_path: Path) -> tuple[Path, torch.nn.Module]:
    """An artifact of a ResNet18 with ten outputs, and the network in it."""
    torch.manual_seed(0)
    network = build_network("resnet18", 10)
    round_to_float16(network)
    model = GarmentModel(network).eval()
    path = tmp_path / "model.pt"
    save_artifact(model, make_card(), golden_images(model, [torch.zeros(3, 8, 8).byte()]), path)
    return path, network


def test_a_network_starts_from_an_artifact(artifact: tuple[Path, torch.nn.Module]) -> None:
    path, original = artifact
    network = build_network("resnet18", 10)
    checkpoint.start_from(network, str(path), 10)

    for name, value in original.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_new_output_keeps_its_own_weights(artifact: tuple[Path, torch.nn.Module]) -> None:
    path, original = artifact
    network = build_network("resnet18", 11)
    before = network.fc.weight.detach().clone()
    checkpoint.start_from(network, str(path), 11)

    assert torch.equal(network.fc.weight[:10], original.fc.weight)
    assert torch.equal(network.fc.weight[10], before[10])


@pytest.mark.parametrize("stops_early", [False, True])
def test_the_result_has_no_outputs_of_a_second_task(tmp_path: Path, stops_early: bool) -> None:
    network = build_network("resnet18", 13)  # ten classes, and three finer labels
    weights = dict(network.state_dict())
    average = {f"module.{name}": value for name, value in weights.items()}
    best = {"network": weights if stops_early else None}
    state = {"hyperparameters": {}, "average": average, "best": best, "outputs": 10}
    checkpoint.save(tmp_path, state)

    result = checkpoint.weights_of(tmp_path)
    assert torch.equal(result["fc.weight"], network.fc.weight[:10])
    assert torch.equal(result["fc.bias"], network.fc.bias[:10])
    assert torch.equal(result["conv1.weight"], network.conv1.weight)
    assert checkpoint.outputs(result) == 10


def test_the_artifact_of_another_network_is_refused(
    artifact: tuple[Path, torch.nn.Module],
) -> None:
    with pytest.raises(CheckpointError, match="the result of another network"):
        checkpoint.start_from(build_network("vgg16", 10), str(artifact[0]), 10)


def test_an_artifact_for_which_there_is_no_room_ends_no_process(
    artifact: tuple[Path, torch.nn.Module],
) -> None:
    path, network = artifact
    before, model = path.read_bytes(), GarmentModel(network).eval()
    golden = golden_images(model, [torch.zeros(3, 8, 8).byte()])

    with little_room(), pytest.raises(OSError, match="File too large") as told:
        save_artifact(model, make_card(), golden, path)

    assert told.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_is_neither_run_nor_artifact_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"rubbish")
    for path in (tmp_path / "model.pt", tmp_path / "missing.pt", tmp_path):
        with pytest.raises(CheckpointError):
            checkpoint.start_from(build_network("resnet18", 10), str(path), 10)
