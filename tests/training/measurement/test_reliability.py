from __future__ import annotations

import numpy as np
import pytest

from tests.training.answers import sure
from training.measurement.reliability import (
    calibration_error_by_chance,
    expected_calibration_error,
    reliability,
)


def test_a_calibrated_model_has_no_calibration_error() -> None:
    labels = np.array([1] * 8 + [0] * 2)
    bins = reliability(sure([1] * 10, 0.8), labels)
    assert expected_calibration_error(bins) == pytest.approx(0)
    full = [entry for entry in bins if entry.count]
    assert len(full) == 1
    assert full[0].low < 0.8 <= full[0].high
    assert (full[0].confidence, full[0].accuracy) == (pytest.approx(0.8), pytest.approx(0.8))


def test_bins_hold_every_answer_also_at_the_edges() -> None:
    confidences = [0.2, 1 / 3, 0.4, 1.0, np.nextafter(1.0, 2.0)]
    rows = np.concatenate([sure([0], confidence) for confidence in confidences])
    bins = reliability(rows, np.zeros(5, dtype=int))
    assert len(bins) == 15
    assert sum(entry.count for entry in bins) == 5
    assert bins[-1].count == 2
    assert bins[0].confidence is None


def test_calibration_error_weighs_bins_by_their_answers() -> None:
    rows = np.concatenate([sure([0, 0, 0], 0.9), sure([0], 0.5)])
    bins = reliability(rows, np.array([0, 0, 0, 1]))
    assert expected_calibration_error(bins) == pytest.approx(0.75 * 0.1 + 0.25 * 0.5)


@pytest.mark.parametrize("count", [50, 1000])
def test_a_model_whose_confidences_are_right_still_has_a_calibration_error(count: int) -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.3, 1.0, count)
    probabilities = np.repeat((1 - confidence)[:, None] / 9, 10, axis=1)
    probabilities[:, 0] = confidence
    errors = []
    for _ in range(200):
        labels = np.where(random.random(count) < confidence, 0, 1)
        bins = reliability(probabilities, labels)
        errors.append(expected_calibration_error(bins))
    expected = calibration_error_by_chance(bins)
    assert expected == pytest.approx(np.mean(errors), rel=0.1)


def test_sure_answers_leave_nothing_to_chance() -> None:
    bins = reliability(np.eye(10), np.arange(10))
    assert calibration_error_by_chance(bins) == 0
