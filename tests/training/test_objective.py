import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from training import checkpoint
from training.data.loading import Split
from training.errors import CheckpointError
from training.flags import add_arguments, from_arguments
from training.mixture import Mixture, mix
from training.networks import build_network
from training.objective import Objective
from training.options import Options

CPU = torch.device("cpu")


def options(**changed: Any) -> Options:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in changed.items()]
    return from_arguments(parser.parse_args(["--output", "x", *flags]))


@pytest.fixture
def mixture() -> Mixture:
    """20 heels and 20 flats, both sandals, and 20 bags."""
    names = [
        f"{name}-{n}.jpg" for name in ("Sandal/Heels", "Sandal/Flats", "Bag/Bag") for n in range(20)
    ]
    labels = torch.tensor([5] * 40 + [8] * 20)
    images = torch.zeros(60, 3, 8, 8, dtype=torch.uint8)
    return mix({"shop": Split(images, labels, names)}, {"shop": 1}, {"shop": 0}, "off")


def test_alone_it_is_the_loss_of_the_classes(mixture: Mixture) -> None:
    objective = Objective(mixture, options(label_smoothing=0.1), CPU)
    logits, batch = torch.randn(60, 10), torch.zeros(60, 3, 8, 8)

    assert objective.width == objective.kinds == objective.outputs == 10
    assert torch.equal(objective.labels, mixture.split.labels)
    expected = F.cross_entropy(logits, mixture.split.labels, label_smoothing=0.1)
    torch.testing.assert_close(objective.loss(logits, objective.labels, batch), expected)
    assert objective.right(F.one_hot(mixture.split.labels, 10), objective.labels) == 60


def test_finer_labels_are_a_second_task(mixture: Mixture) -> None:
    objective = Objective(mixture, options(finer=0.5), CPU)
    logits, batch = torch.randn(60, objective.width), torch.zeros(60, 3, 8, 8)

    assert (objective.outputs, objective.kinds, objective.width) == (10, 3, 13)
    nothing = objective.loss(torch.zeros(60, 13), objective.labels, batch)
    assert objective.guess == pytest.approx(nothing.item())
    first = F.cross_entropy(logits[:, :10], mixture.split.labels)
    second = F.cross_entropy(logits[:, 10:], objective.labels)
    expected = first + 0.5 * second
    torch.testing.assert_close(objective.loss(logits, objective.labels, batch), expected)
    # Blended images have shares of finer labels, and so of classes.
    shares = F.one_hot(objective.labels, 3).float()
    torch.testing.assert_close(objective.loss(logits, shares, batch), expected)
    assert objective.right(logits, objective.labels) == int(
        (logits[:, :10].argmax(dim=1) == mixture.split.labels).sum()
    )


def _run(folder: Path, outputs: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    network = build_network("resnet18", outputs).eval()
    average = {f"module.{name}": value for name, value in network.state_dict().items()}
    state = {"hyperparameters": {}, "average": average, "best": {"network": None}}
    checkpoint.save(folder, state)
    return network


def test_teachers_say_what_is_to_be_learnt(mixture: Mixture, tmp_path: Path) -> None:
    networks = [_run(tmp_path / str(seed), 10, seed) for seed in (1, 2)]
    teachers = f"{tmp_path / '1'},{tmp_path / '2'}"
    # What teachers say is smooth already.
    objective = Objective(mixture, options(teachers=teachers, label_smoothing=0.1), CPU)
    logits, batch = torch.randn(4, 10), torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        mean = sum(network(batch).softmax(dim=1) for network in networks) / 2

    loss = objective.loss(logits, torch.zeros(4, dtype=torch.long), batch)
    torch.testing.assert_close(loss, F.cross_entropy(logits, mean))


def test_a_teacher_of_other_classes_is_refused(mixture: Mixture, tmp_path: Path) -> None:
    _run(tmp_path / "other", 11, 0)

    with pytest.raises(CheckpointError, match="has 11 outputs and this run 10"):
        Objective(mixture, options(teachers=tmp_path / "other"), CPU)
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        Objective(mixture, options(teachers=tmp_path), CPU)
