from __future__ import annotations

import numpy as np
import pytest

from app.card import BACKGROUNDS, CATEGORIES, Background, Calibration
from app.review import likely_classes, review_reasons
from tests.training.answers import sure
from training.measurement import metrics
from training.measurement.limits import Answers, conformal_sets, is_rejected, needs_review


def limits(**changed: float) -> dict[Background, Calibration]:
    """The same limits for all backgrounds."""
    values = {
        "temperature": 1.0,
        "review_confidence": 0.5,
        "review_margin": 0.1,
        "conformal_threshold": 0.3,
        "garment_threshold": 0.5,
        "images": 1,
    }
    return dict.fromkeys(BACKGROUNDS, Calibration.model_validate(values | changed))


def answers(
    probabilities: np.ndarray, garment: list[float] | None = None, background: int = 0
) -> Answers:
    count = len(probabilities)
    sure_of_it = np.ones(count) if garment is None else np.array(garment)
    return Answers(probabilities, sure_of_it, np.full(count, background))


def test_figures_of_known_answers() -> None:
    labels = np.array([0, 0, 0, 1])
    figures = metrics.figures(answers(sure([0, 0, 1, 1])), labels, limits())
    assert figures.images == 4
    assert figures.accuracy == 0.75
    # T-shirt/top: precision 1, recall 2/3; Trouser: precision 1/2, recall 1.
    assert figures.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures.ece == pytest.approx(0.91 - 0.75)
    assert figures.confusion_matrix[0][:2] == [2, 1]
    assert figures.confusion_matrix[1][:2] == [0, 1]
    assert sum(map(sum, figures.confusion_matrix)) == 4
    assert figures.other is None


def test_images_of_other_things_count_for_rejection_alone() -> None:
    labels = np.array([0, 1, 1])
    alone = metrics.figures(answers(sure([0, 1, 2])), labels, limits())
    with_others = metrics.figures(
        answers(sure([0, 1, 2, 3, 4]), [0.9, 0.8, 0.4, 0.1, 0.6]),
        np.append(labels, [10, 10]),
        limits(),
    )
    assert with_others.model_copy(update={"other": None, "review": alone.review}) == alone
    other = with_others.other
    assert other is not None
    assert other.images == 2
    # Of the six pairs of a garment and another thing, one is the wrong way round.
    assert other.auroc == pytest.approx(5 / 6)
    assert other.fpr95 == 0.5
    assert other.flagged == 0.5
    assert other.garments_flagged == pytest.approx(1 / 3)


def test_a_model_that_cannot_reject_has_no_figures_of_it() -> None:
    cannot = {
        background: part.model_copy(update={"garment_threshold": None})
        for background, part in limits().items()
    }
    figures = metrics.figures(answers(sure([0, 1])), np.array([0, 10]), cannot)
    assert figures.other is None


def test_review_and_sets_follow_the_limits() -> None:
    rows = np.zeros((5, 10))
    rows[0, 0] = 1.0  # accepted, right
    rows[1, :2] = 0.8, 0.2  # accepted, wrong: one label in its set
    rows[2, :2] = 0.52, 0.48  # a tie, and a set of two
    rows[3, :4] = 0.25  # an empty set
    rows[4, 1] = 1.0  # no garment
    given = answers(rows, [1.0, 1.0, 1.0, 1.0, 0.2])

    assert conformal_sets(given, limits()).sum(axis=1).tolist() == [1, 1, 2, 0, 1]
    assert needs_review(given, limits()).tolist() == [False, False, True, True, True]
    assert is_rejected(given, limits()).tolist() == [False] * 4 + [True]
    figures = metrics.figures(given, np.array([0, 1, 1, 2, 1]), limits())
    assert figures.review.accepted == pytest.approx(0.4)
    assert figures.review.accuracy == 0.5
    assert figures.conformal.coverage == pytest.approx(3 / 5)
    assert figures.conformal.mean_size == 1.0
    assert figures.conformal.empty == pytest.approx(0.2)


def test_limits_are_those_of_the_background() -> None:
    strict = limits()
    strict["scene"] = limits(review_confidence=0.95)["scene"]

    assert not needs_review(answers(sure([0]), background=0), strict).any()
    assert needs_review(answers(sure([0]), background=2), strict).all()


def test_figures_need_an_image_of_the_categories() -> None:
    with pytest.raises(ValueError, match="no image of the ten categories"):
        metrics.figures(answers(sure([1])), np.array([10]), limits())


def test_figures_refuse_what_is_no_number() -> None:
    broken = sure([1, 2])
    broken[1, 4] = np.nan
    with pytest.raises(ValueError, match="not numbers"):
        metrics.figures(answers(broken), np.array([1, 2]), limits())


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


def test_answers_are_judged_as_the_service_judges_them() -> None:
    """Every figure of sets and reviews rests on this: the service has code of its own for them."""
    random = np.random.default_rng(0)
    parts = {
        background: limits(
            review_confidence=random.uniform(0.4, 0.8),
            review_margin=random.uniform(0.05, 0.4),
            conformal_threshold=random.uniform(0.05, 0.7),
            garment_threshold=random.uniform(0.2, 0.8),
        )[background]
        for background in BACKGROUNDS
    }
    answers = Answers(
        random.dirichlet(np.full(10, 0.2), 500),
        random.uniform(size=500),
        random.integers(0, len(BACKGROUNDS), 500),
    )
    sets, reviews = conformal_sets(answers, parts), needs_review(answers, parts)
    for row in range(500):
        part = parts[BACKGROUNDS[answers.backgrounds[row]]]
        probabilities = answers.probabilities[row].tolist()
        assert set(np.flatnonzero(sets[row])) == set(likely_classes(probabilities, part))
        reasons = review_reasons(
            probabilities,
            float(answers.garment[row]),
            part,
            shortest_edge=112,
            min_edge=16,
            blank=False,
        )
        assert reviews[row] == bool(reasons)
    assert 0 < reviews.sum() < 500
