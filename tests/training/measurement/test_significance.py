from __future__ import annotations

import numpy as np
import pytest

from training.measurement import significance


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
