from __future__ import annotations

import numpy as np
import pytest

from training.measurement.curves import POINTS, acceptance, set_sizes


def test_the_surest_answers_are_accepted_first() -> None:
    confidence = np.array([0.5, 0.9, 0.7, 0.8])
    right = np.array([False, True, False, True])
    points = acceptance(confidence, right)
    assert [point.confidence for point in points] == [0.9, 0.8, 0.7, 0.5]
    assert [point.accepted for point in points] == [0.25, 0.5, 0.75, 1.0]
    assert [point.accuracy for point in points] == pytest.approx([1, 1, 2 / 3, 1 / 2])


def test_answers_of_one_confidence_are_accepted_together() -> None:
    points = acceptance(np.array([0.9, 0.9, 0.9, 0.4]), np.array([False, True, True, True]))
    assert [(point.accepted, point.accuracy) for point in points] == [
        (0.75, pytest.approx(2 / 3)),
        (1.0, 0.75),
    ]


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    confidence = np.linspace(0.1, 1, 5000)
    points = acceptance(confidence, confidence > 0.5)
    assert len(points) == POINTS
    assert (points[0].confidence, points[0].accepted) == (1.0, pytest.approx(1 / 5000))
    assert points[-1].accepted == 1
    assert points[-1].accuracy == pytest.approx((confidence > 0.5).mean())


def test_sets_are_counted_by_size() -> None:
    sets = np.zeros((4, 10), dtype=bool)
    sets[1, 3] = sets[2, [1, 2, 3]] = sets[3, [4, 5, 6]] = True
    sizes = set_sizes(sets, np.array([0, 3, 3, 3]))
    assert [(entry.size, entry.sets, entry.with_truth) for entry in sizes] == [
        (0, 1, 0),
        (1, 1, 1),
        (2, 0, 0),
        (3, 2, 1),
    ]
