import pytest
import torch
import torch.nn.functional as F

from app.card import BACKGROUNDS, Background, Calibration
from training.calibrate import (
    MIN_IMAGES,
    calibrate,
    conformal_threshold,
    garment_threshold,
    review_confidence,
)
from training.garment_model import confidences
from training.temperature import fit_temperature


def overconfident(scale: float, n: int = 4_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax is the truth, multiplied by `scale`; and labels drawn from it."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, 10, generator=generator) * 4
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return logits * scale, labels


def test_the_temperature_undoes_overconfidence() -> None:
    for scale in (0.5, 1.0, 3.0):
        assert abs(fit_temperature(*overconfident(scale)) / scale - 1) < 0.06


def margins(of_truth: float, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of noise, and so much more for the truth: the more, the oftener it wins."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (n,), generator=generator)
    noise = torch.randn(n, 10, generator=generator)
    return noise + of_truth * F.one_hot(labels, 10), labels


def test_of_few_right_answers_each_counts_as_right_but_for_a_share() -> None:
    """Of n answers that are all right, the confidence becomes (n + 1/2) / (n + 1)."""
    for count in (1, 4, 50):
        logits, labels = torch.tensor([[2.0, 0.0]]).repeat(count, 1), torch.zeros(count).long()
        sure = (logits[0] / fit_temperature(logits, labels)).softmax(dim=0)[0].item()
        assert sure == pytest.approx((count + 0.5) / (count + 1), abs=1e-3)


@pytest.mark.parametrize("n", [30, 100, 300])
def test_answers_that_are_all_right_do_not_make_a_later_mistake_certain(n: int) -> None:
    logits, labels = margins(10, n)
    assert (logits.argmax(dim=1) == labels).all()

    usual = torch.tensor([[10.0, *[0.0] * 9]])
    sure = confidences(usual, torch.tensor(fit_temperature(logits, labels))).max()
    assert 0.98 < sure < 1 - 0.1 / n


def test_many_images_speak_for_themselves() -> None:
    logits, labels = margins(3.4, 2_000)
    assert (logits.argmax(dim=1) == labels).float().mean() == pytest.approx(0.95, abs=0.01)

    fitted = fit_temperature(logits, labels)
    tried = fitted * torch.linspace(0.9, 1.1, 2_001)
    losses = torch.stack([F.cross_entropy(logits / one, labels) for one in tried])
    assert fitted == pytest.approx(float(tried[losses.argmin()]), rel=0.01)


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


def test_a_limit_of_1_lets_no_answer_through() -> None:
    certain = confidences(torch.tensor([[200.0, *[0.0] * 9]] * 50), torch.tensor(1.0))
    confidence = certain.max(dim=1).values
    right = torch.arange(50) < 25  # the order of equal ones must not matter

    assert review_confidence(confidence, right) == 1.0
    assert (confidence < 1.0).all()
    assert (confidence >= review_confidence(confidence, confidence > 0)).all()


def test_sets_hold_the_truth_of_new_images_in_95_percent() -> None:
    logits, labels = overconfident(1.0, n=8_000)
    probabilities = logits.softmax(dim=1)
    threshold = conformal_threshold(probabilities[:4_000].gather(1, labels[:4_000, None])[:, 0])

    sets = probabilities[4_000:] >= threshold
    held = sets.gather(1, labels[4_000:, None]).float().mean()
    assert held == pytest.approx(0.95, abs=0.015)
    assert 1 < sets.sum(dim=1).float().mean() < 4


@pytest.mark.parametrize(("count", "place"), [(19, 1), (38, 1), (39, 2), (59, 3)])
def test_a_new_image_counts_among_those_that_may_be_left_out(count: int, place: int) -> None:
    # One of 20 may be: of 19 known ones and a new one, the set may miss the least probable.
    probabilities = torch.arange(1, count + 1) / 100

    assert conformal_threshold(probabilities) == pytest.approx(place / 100)
    assert conformal_threshold(probabilities[:18]) == 0.0


def test_too_few_images_for_a_promise_give_sets_of_all_labels() -> None:
    assert conformal_threshold(torch.rand(10)) == 0.0


def test_the_garment_threshold_parts_garments_from_other_things() -> None:
    generator = torch.Generator().manual_seed(0)
    garments = 0.6 + 0.4 * torch.rand(900, generator=generator)
    others = 0.7 * torch.rand(100, generator=generator)  # a seventh of them among the garments
    is_garment = torch.arange(1_000) < 900

    threshold = garment_threshold(torch.cat([garments, others]), is_garment)
    assert 0.57 < threshold < 0.64


def test_the_garment_threshold_takes_all_or_none_of_equal_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    is_garment = torch.arange(60) < 40

    def gain(garment: torch.Tensor, threshold: float) -> float:
        kept = garment >= threshold
        return float(kept[is_garment].double().mean() - kept[~is_garment].double().mean())

    for _ in range(100):
        noise = torch.randn(60, generator=generator)
        garment = ((is_garment + noise).sigmoid() * 100).round() / 100

        threshold = garment_threshold(garment, is_garment)
        best = max(gain(garment, one) for one in garment.tolist())
        assert gain(garment, threshold) == pytest.approx(best)


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


def test_with_few_images_in_all_the_confidences_stay() -> None:
    logits, labels = overconfident(3.0, n=MIN_IMAGES - 1)
    fitted = calibrate(logits, labels, torch.zeros_like(labels))
    assert {part.temperature for part in fitted.values()} == {1.0}


def known(number: float) -> Calibration:
    """A calibration that no image of a test would give."""
    return Calibration(
        temperature=number,
        garment_temperature=number,
        review_confidence=0.123,
        review_margin=0.1,
        conformal_threshold=0.321,
        images=777,
        garment_threshold=0.456,
    )


def test_calibrating_again_keeps_what_the_photos_say_nothing_about() -> None:
    before: dict[Background, Calibration] = {
        "white": known(5.0),
        "black": known(6.0),
        "scene": known(7.0),
    }
    logits, labels = overconfident(1.0)
    eleven = torch.cat([logits, torch.full((len(logits), 1), -9.0)], dim=1)
    backgrounds = torch.full_like(labels, 2)
    backgrounds[: MIN_IMAGES - 1] = 1

    again = calibrate(eleven, labels, backgrounds, before)
    assert (again["white"], again["black"]) == (before["white"], before["black"])
    scene = again["scene"]
    assert scene.temperature == pytest.approx(1, abs=0.06)
    assert scene.images == len(labels) - MIN_IMAGES + 1
    # No photo of other things: the limit for them stays, with what it was fitted at.
    assert (scene.garment_temperature, scene.garment_threshold) == (7.0, 0.456)

    labels[-MIN_IMAGES:] = 10
    eleven[-MIN_IMAGES:, 10] = 9.0
    told = calibrate(eleven, labels, backgrounds, before)["scene"]
    assert told.garment_temperature != 7.0
    assert told.garment_threshold != 0.456


def test_logits_of_something_else_than_the_classes_are_refused() -> None:
    backgrounds = torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="15 logits are not those of the classes"):
        calibrate(torch.zeros(3, 15), torch.zeros(3, dtype=torch.int64), backgrounds)
