"""An artifact that answers otherwise than the trained network is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.cards import make_card
from training import scripted
from training.errors import ParityError
from training.garment_model import GarmentModel
from training.scripted import check_parity, golden_images, run_logits, save_artifact

DARK, BRIGHT = 0, 255


def model_of(offset: float, weight: float = 0.5) -> GarmentModel:
    """Dark images are of the first class, bright ones of the second; all logits near `offset`.

    By how much they are apart follows from `weight`.
    """
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))
    with torch.no_grad():
        network[-1].weight.zero_()
        network[-1].weight[1, 0] = weight
        network[-1].bias.fill_(offset)
    return GarmentModel(network).eval()


def images_of(dark: int, bright: int) -> Tensor:
    images = torch.full((dark + bright, 3, 112, 112), DARK, dtype=torch.uint8)
    images[dark:] = BRIGHT
    return images


def check(model: GarmentModel, path: Path, images: Tensor, seen: GarmentModel | None = None) -> str:
    golden = golden_images(model, [images[0]])
    save_artifact(model, make_card(), golden, path)
    model = seen or model
    return check_parity(model, path, images, run_logits(model.network, images))


def test_one_that_is_the_same_passes(tmp_path: Path) -> None:
    said = check(model_of(offset=1), tmp_path / "model.pt", images_of(dark=10, bright=10))
    assert "same class for 100.00% of 20, and for 100.00%" in said


def test_other_weights_are_refused(tmp_path: Path) -> None:
    trained = model_of(offset=1)
    with torch.no_grad():
        trained.network[-1].weight[1, 0] = 0.51
    with pytest.raises(ParityError, match=r"by at most .*e-03 in probability"):
        check(model_of(offset=1), tmp_path / "model.pt", images_of(10, 10), seen=trained)


def test_what_rounding_turns_may_be_a_few_images_and_no_more(tmp_path: Path) -> None:
    # In bfloat16, numbers of this size lie 8 apart: all ten classes are the same.
    model = model_of(offset=1024)
    said = check(model, tmp_path / "model.pt", images_of(dark=17, bright=3))
    assert "same class for 85.00% of 20, and for 85.00%" in said
    with pytest.raises(ParityError, match=r"80\.00% of 20, .* allowed are .* or 3 images"):
        check(model, tmp_path / "model.pt", images_of(dark=16, bright=4))


def test_rounding_may_turn_any_number_of_ties(tmp_path: Path) -> None:
    # As above, and the second class is ahead of the first by 0.007 in probability.
    model = model_of(offset=1024, weight=1 / 32)
    said = check(model, tmp_path / "model.pt", images_of(dark=10, bright=10))
    assert "same class for 50.00% of 20, and for 100.00% with ties" in said


@pytest.mark.parametrize(("fast", "sample"), [(True, 20), (False, 10)])
def test_a_slow_processor_checks_a_sample_in_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, sample: int
) -> None:
    monkeypatch.setattr(scripted, "is_fast_at_bfloat16", lambda device: fast)
    monkeypatch.setattr(scripted, "SAMPLE", 10)
    said = check(model_of(offset=1), tmp_path / "model.pt", images_of(dark=10, bright=10))
    assert said.startswith("on 20 images")
    assert f"same class for 100.00% of {sample}, " in said
