import pytest
import torch

from app.artifact import BACKGROUNDS
from training.calibrate import (
    MIN_IMAGES,
    calibrate,
    conformal_threshold,
    fit_temperature,
    garment_threshold,
    review_confidence,
)


def overconfident(scale: float, n: int = 4_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax is the truth, multiplied by `scale`; and labels drawn from it."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, 10, generator=generator) * 4
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return logits * scale, labels


def test_the_temperature_undoes_overconfidence() -> None:
    for scale in (0.5, 1.0, 3.0):
        assert abs(fit_temperature(*overconfident(scale)) / scale - 1) < 0.06


def test_above_the_review_confidence_the_answers_are_right() -> None:
    logits, labels = overconfident(1.0)
    confidence, answer = logits.softmax(dim=1).max(dim=1)
    right = answer == labels

    threshold = review_confidence(confidence, right)

    accepted = confidence >= threshold
    assert right[accepted].float().mean() >= 0.98
    assert 0.05 < accepted.float().mean() < 0.9
    lower = confidence >= threshold - 0.05
    assert right[lower].float().mean() < 0.98


def test_when_no_confidence_is_good_enough_all_is_for_review() -> None:
    confidence = torch.linspace(0.5, 1, 50)

    assert review_confidence(confidence, torch.zeros(50, dtype=torch.bool)) == 1.0


def test_sets_hold_the_truth_of_new_images_in_95_percent() -> None:
    logits, labels = overconfident(1.0, n=8_000)
    probabilities = logits.softmax(dim=1)
    threshold = conformal_threshold(probabilities[:4_000].gather(1, labels[:4_000, None])[:, 0])

    sets = probabilities[4_000:] >= threshold
    held = sets.gather(1, labels[4_000:, None]).float().mean()
    assert held == pytest.approx(0.95, abs=0.015)
    assert 1 < sets.sum(dim=1).float().mean() < 4


def test_too_few_images_for_a_promise_give_sets_of_all_labels() -> None:
    assert conformal_threshold(torch.rand(10)) == 0.0


def test_the_garment_threshold_parts_garments_from_other_things() -> None:
    generator = torch.Generator().manual_seed(0)
    garments = 0.6 + 0.4 * torch.rand(900, generator=generator)
    others = 0.7 * torch.rand(100, generator=generator)  # a seventh of them among the garments
    is_garment = torch.arange(1_000) < 900

    threshold = garment_threshold(torch.cat([garments, others]), is_garment)
    assert 0.57 < threshold < 0.64


def test_each_background_has_limits_of_its_own() -> None:
    sure, labels = overconfident(1.0)
    unsure, more = overconfident(3.0)
    backgrounds = torch.cat([torch.zeros(len(labels)), torch.full((len(more),), 2)]).long()

    fitted = calibrate(torch.cat([sure, unsure]), torch.cat([labels, more]), backgrounds)

    assert fitted["white"].temperature == pytest.approx(1, abs=0.06)
    assert fitted["scene"].temperature == pytest.approx(3, abs=0.2)
    assert (fitted["white"].images, fitted["black"].images) == (len(labels), 0)


def test_a_background_with_few_images_has_the_limits_of_all() -> None:
    logits, labels = overconfident(2.0)
    backgrounds = torch.zeros(len(labels), dtype=torch.int64)
    backgrounds[: MIN_IMAGES - 1] = 1

    fitted = calibrate(logits, labels, backgrounds)
    assert fitted["black"].temperature == fitted["scene"].temperature
    assert fitted["black"].images == MIN_IMAGES - 1


def test_only_a_network_with_eleven_outputs_can_reject() -> None:
    logits, labels = overconfident(1.0)
    backgrounds = torch.zeros(len(labels), dtype=torch.int64)
    ten = calibrate(logits, labels, backgrounds)
    other = torch.where(torch.arange(len(labels)) < 400, 9.0, -9.0)[:, None]
    labels = torch.where(torch.arange(len(labels)) < 400, 10, labels)
    eleven = calibrate(torch.cat([logits, other], dim=1), labels, backgrounds)

    assert all(ten[kind].garment_threshold is None for kind in BACKGROUNDS)
    assert 0 < (eleven["white"].garment_threshold or 0) < 1
    assert eleven["white"].images == len(labels) - 400
