from __future__ import annotations

import numpy as np
import pytest

from training import metrics, significance


def test_the_interval_of_an_accuracy() -> None:
    low, high = significance.wilson_interval(0.945, 10_000)
    assert (round(low, 4), round(high, 4)) == (0.9404, 0.9493)
    assert significance.wilson_interval(1.0, 10) == (
        pytest.approx(0.7225, abs=1e-4),
        pytest.approx(1),
    )


def test_the_same_answers_do_not_differ() -> None:
    right = np.array([True, False, True])
    assert significance.mcnemar_p(right, right) == 1.0


def test_mcnemar_on_a_known_table() -> None:
    # 10 images right with the one only, 2 with the other only: 2 * (1 + 12 + 66) / 4096.
    right = np.array([True] * 10 + [False] * 2 + [True] * 50)
    other = np.array([False] * 10 + [True] * 2 + [True] * 50)
    assert significance.mcnemar_p(right, other) == pytest.approx(158 / 4096)
    assert significance.mcnemar_p(other, right) == pytest.approx(158 / 4096)


def test_mcnemar_counts_exactly_where_floats_would_overflow() -> None:
    right, other = np.arange(4000) < 2000, np.arange(4000) >= 2000
    assert significance.mcnemar_p(right, other) == 1.0
    assert significance.mcnemar_p(np.ones(4000, bool), np.zeros(4000, bool)) == pytest.approx(0)


@pytest.mark.parametrize("count", [50, 1000])
def test_a_model_whose_confidences_are_right_still_has_a_calibration_error(count: int) -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.3, 1.0, count)
    probabilities = np.repeat((1 - confidence)[:, None] / 9, 10, axis=1)
    probabilities[:, 0] = confidence
    errors = []
    for _ in range(200):
        labels = np.where(random.random(count) < confidence, 0, 1)
        bins = metrics.reliability(probabilities, labels)
        errors.append(metrics.expected_calibration_error(bins))
    expected = significance.calibration_error_by_chance(bins)
    assert expected == pytest.approx(np.mean(errors), rel=0.1)


def test_sure_answers_leave_nothing_to_chance() -> None:
    bins = metrics.reliability(np.eye(10), np.arange(10))
    assert significance.calibration_error_by_chance(bins) == 0
