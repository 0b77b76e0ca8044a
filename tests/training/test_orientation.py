"""Which way up an image is: learnt, kept in the artifact, and used as serving does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.artifact import load_module
from app.upright import WAYS
from tests.training.grey_model import save_grey_model
from tests.turning_model import make_turning_model, save_turning_model, shaded
from training.errors import TrainingError
from training.garment_model import GarmentModel
from training.measurement.prediction import predict
from training.networks import build_network, normalise
from training.orientation import fit_orientation, stored_orientation, upright_logits


@pytest.fixture(scope="module")
def model() -> GarmentModel:
    return make_turning_model()


def run(model: GarmentModel, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return model.logits(normalise(images))


def ways(logits: Tensor) -> list[int]:
    return [int(row[-WAYS:].argmax()) for row in logits]


@pytest.mark.parametrize("way", range(4))
def test_each_way_up_is_told(model: GarmentModel, way: int) -> None:
    images = torch.rot90(shaded(12, seed=1), way, [2, 3])
    assert ways(run(model, images)) == [way] * 12
    assert ways(run(model, torch.rot90(images, -way, [2, 3]))) == [0] * 12


def test_the_classes_are_those_of_the_network_alone(model: GarmentModel) -> None:
    images = shaded(3, seed=2)
    with torch.inference_mode():
        alone = model.network(normalise(images))
    torch.testing.assert_close(run(model, images)[:, :11], alone)
    garment = model.calibrate(run(model, images), torch.zeros(3, dtype=torch.int64))[1]
    torch.testing.assert_close(garment, 1 - (alone / 0.2).softmax(dim=1)[:, 10])


def test_a_turned_image_is_answered_as_the_upright_one(model: GarmentModel) -> None:
    images = shaded(8, seed=3)
    upright = run(model, images)
    turned = torch.stack(
        [torch.rot90(each, place % 4, [1, 2]) for place, each in enumerate(images)]
    )
    as_they_are = run(model, turned)
    assert not torch.allclose(as_they_are[1:4, :11], upright[1:4, :11], atol=1e-3)
    kept = as_they_are.clone()
    found = upright_logits(turned, as_they_are, lambda some: run(model, some))
    torch.testing.assert_close(found, upright)
    assert torch.equal(as_they_are, kept)


def test_what_seems_turned_after_it_was_turned_stays_as_it_is(model: GarmentModel) -> None:
    images = torch.rot90(shaded(4, seed=4), 1, [2, 3])
    as_they_are = run(model, images)

    def never_upright(some: Tensor) -> Tensor:
        assert len(some) == 4
        return as_they_are

    assert torch.equal(upright_logits(images, as_they_are, never_upright), as_they_are)


def test_the_artifact_carries_it(model: GarmentModel, tmp_path: Path) -> None:
    images = shaded(4, seed=5)
    path = save_turning_model(tmp_path / "model.pt").path
    stored = stored_orientation(path)
    assert stored is not None
    torch.testing.assert_close(stored.weight, model.orientation.weight)
    module = load_module(path, "float32")
    batch = normalise(images)
    with torch.inference_mode():
        torch.testing.assert_close(module.logits(batch), model.logits(batch))
    upright = predict(path, images, "float32", batch_size=3).answers.probabilities
    turned = predict(path, torch.rot90(images, 1, [2, 3]), "float32", 3).answers.probabilities
    assert turned == pytest.approx(upright, abs=1e-4)


def test_an_artifact_without_it_has_none(tmp_path: Path) -> None:
    path = save_grey_model(tmp_path / "model.pt")
    assert stored_orientation(path) is None
    images = shaded(2)
    once = predict(path, images, "float32", 2).answers.probabilities
    turned = predict(path, torch.rot90(images, 2, [2, 3]), "float32", 2).answers.probabilities
    assert turned == pytest.approx(once, abs=1e-6)  # by the mean grey level


def test_a_network_that_has_diverged_is_told() -> None:
    network = build_network("resnet18", 10).eval()
    with torch.no_grad():
        network.conv1.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="diverged"):
        fit_orientation(GarmentModel(network).eval(), shaded(4))
