from __future__ import annotations

import numpy as np
import pytest

from tests.training.answers import sure
from training.measurement.mistakes import top_confusions, worst_mistakes


def test_worst_mistakes_are_the_surest_wrong_answers() -> None:
    rows = np.concatenate([sure([0], 0.99), sure([1], 0.6), sure([2], 0.8), sure([3], 0.95)])
    labels = np.array([0, 2, 1, 10])  # the first is right, the last is no category
    mistakes = worst_mistakes(rows, labels)
    assert [(entry.index, entry.truth, entry.answer) for entry in mistakes] == [
        (2, 1, 2),
        (1, 2, 1),
    ]
    assert mistakes[0].confidence == pytest.approx(0.8)


def test_top_confusions() -> None:
    matrix = [[0] * 10 for _ in range(10)]
    matrix[6] = [7, 0, 1, 0, 0, 0, 92, 0, 0, 0]
    matrix[4][2] = 3
    found = top_confusions(matrix, limit=2)
    assert [(entry.truth, entry.answer, entry.count) for entry in found] == [
        ("Shirt", "T-shirt/top", 7),
        ("Coat", "Pullover", 3),
    ]
    assert found[0].share == 0.07
