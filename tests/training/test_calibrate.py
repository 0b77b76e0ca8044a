import torch

from training.calibrate import calibrate, fit_temperature, review_confidence


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


def test_only_a_network_with_eleven_outputs_can_reject() -> None:
    logits, labels = overconfident(1.0)
    with_other = torch.cat([logits, torch.full((len(logits), 1), -3.0)], dim=1)

    assert calibrate(logits, labels).garment_threshold is None
    assert calibrate(with_other, labels).garment_threshold == 0.5
