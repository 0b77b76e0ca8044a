from __future__ import annotations

import numpy as np
import pytest

from app.artifact import CATEGORIES
from training import metrics


def sure(answers: list[int], confidence: float = 0.91) -> np.ndarray:
    """Probabilities `[N, 10]` that give these answers, each with this confidence."""
    rows = np.full((len(answers), 10), (1 - confidence) / 9)
    rows[np.arange(len(answers)), answers] = confidence
    return rows


def test_figures_of_known_answers() -> None:
    labels = np.array([0, 0, 0, 1])
    figures = metrics.figures(sure([0, 0, 1, 1]), labels)
    assert figures.images == 4
    assert figures.accuracy == 0.75
    # T-shirt/top: precision 1, recall 2/3; Trouser: precision 1/2, recall 1.
    assert figures.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures.ece == pytest.approx(0.91 - 0.75)
    assert figures.confusion_matrix[0][:2] == [2, 1]
    assert figures.confusion_matrix[1][:2] == [0, 1]
    assert sum(map(sum, figures.confusion_matrix)) == 4


def test_images_of_other_things_do_not_count() -> None:
    answers, labels = [0, 1, 2], np.array([0, 1, 1])
    alone = metrics.figures(sure(answers), labels)
    with_others = metrics.figures(sure([*answers, 3, 4]), np.append(labels, [10, 10]))
    assert with_others == alone


def test_figures_need_an_image_of_the_categories() -> None:
    with pytest.raises(ValueError, match="no image of the ten categories"):
        metrics.figures(sure([1]), np.array([10]))


def test_figures_refuse_what_is_no_number() -> None:
    broken = sure([1, 2])
    broken[1, 4] = np.nan
    with pytest.raises(ValueError, match="not numbers"):
        metrics.figures(broken, np.array([1, 2]))


def test_per_class_counts() -> None:
    shirt = CATEGORIES.index("Shirt")
    entries = metrics.per_class(np.array([6, 6, 6, 0, 2]), np.array([6, 6, 0, 6, 2]))
    entry = entries[shirt]
    assert entry.label == "Shirt"
    counts = (
        entry.true_positives,
        entry.false_positives,
        entry.true_negatives,
        entry.false_negatives,
    )
    assert counts == (2, 1, 1, 1)
    assert entry.support == 3
    assert entry.precision == entry.recall == entry.f1 == pytest.approx(2 / 3)


def test_per_class_has_no_figure_where_there_is_nothing_to_measure() -> None:
    answers, labels = np.array([1, 3]), np.array([0, 1])
    entries = metrics.per_class(answers, labels)
    assert (entries[0].precision, entries[0].recall, entries[0].f1) == (None, 0, 0)  # never said
    assert (entries[3].precision, entries[3].recall) == (0, None)  # no images
    assert (entries[9].precision, entries[9].recall, entries[9].f1) == (None, None, None)


def test_a_calibrated_model_has_no_calibration_error() -> None:
    labels = np.array([1] * 8 + [0] * 2)
    bins = metrics.reliability(sure([1] * 10, 0.8), labels)
    assert metrics.expected_calibration_error(bins) == pytest.approx(0)
    full = [entry for entry in bins if entry.count]
    assert len(full) == 1
    assert full[0].low < 0.8 <= full[0].high
    assert (full[0].confidence, full[0].accuracy) == (pytest.approx(0.8), pytest.approx(0.8))


def test_bins_hold_every_answer_also_at_the_edges() -> None:
    confidences = [0.2, 1 / 3, 0.4, 1.0, np.nextafter(1.0, 2.0)]
    rows = np.concatenate([sure([0], confidence) for confidence in confidences])
    bins = metrics.reliability(rows, np.zeros(5, dtype=int))
    assert len(bins) == 15
    assert sum(entry.count for entry in bins) == 5
    assert bins[-1].count == 2
    assert bins[0].confidence is None


def test_calibration_error_weighs_bins_by_their_answers() -> None:
    rows = np.concatenate([sure([0, 0, 0], 0.9), sure([0], 0.5)])
    bins = metrics.reliability(rows, np.array([0, 0, 0, 1]))
    assert metrics.expected_calibration_error(bins) == pytest.approx(0.75 * 0.1 + 0.25 * 0.5)


def test_worst_mistakes_are_the_surest_wrong_answers() -> None:
    rows = np.concatenate([sure([0], 0.99), sure([1], 0.6), sure([2], 0.8), sure([3], 0.95)])
    labels = np.array([0, 2, 1, 10])  # the first is right, the last is no category
    mistakes = metrics.worst_mistakes(rows, labels, limit=5)
    assert [(entry.index, entry.truth, entry.answer) for entry in mistakes] == [
        (2, 1, 2),
        (1, 2, 1),
    ]
    assert mistakes[0].confidence == pytest.approx(0.8)
    assert len(metrics.worst_mistakes(rows, labels, limit=1)) == 1


def test_top_confusions() -> None:
    matrix = [[0] * 10 for _ in range(10)]
    matrix[6] = [7, 0, 1, 0, 0, 0, 92, 0, 0, 0]
    matrix[4][2] = 3
    found = metrics.top_confusions(matrix, limit=2)
    assert [(entry.truth, entry.answer, entry.count) for entry in found] == [
        ("Shirt", "T-shirt/top", 7),
        ("Coat", "Pullover", 3),
    ]
    assert found[0].share == 0.07
