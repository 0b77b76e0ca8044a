"""What stands out in the figures of a source, said in sentences."""

from __future__ import annotations

from training.calibrate import ACCEPTED_ACCURACY, COVERAGE
from training.measurement.evaluation import Evaluation
from training.measurement.significance import FEW, Interval
from training.reports.overview import rare_categories
from training.reports.page import Finding, Level, listed, with_interval
from training.wording import percent

GOOD_CALIBRATION = 0.02
"""An ECE up to this is called good: confidences are off by two points on average."""


def standouts(evaluation: Evaluation) -> list[Finding]:
    """The findings, the categories first, then how far the model knows what it does not know."""
    return [
        *_about_categories(evaluation),
        *_about_few_images(evaluation),
        _about_calibration(evaluation),
        _about_review(evaluation),
        _about_sets(evaluation),
        *_about_rejection(evaluation),
    ]


def _about_categories(evaluation: Evaluation) -> list[Finding]:
    measured = [entry for entry in evaluation.per_class if entry.support]
    weakest = min(measured, key=lambda entry: entry.recall or 0.0)
    strongest = max(measured, key=lambda entry: entry.recall or 0.0)
    findings = [
        Finding(
            "note",
            f"{weakest.label} is found least: {percent(weakest.recall)} of its "
            f"{weakest.support:,} images; {strongest.label} most: {percent(strongest.recall)} of "
            f"its {strongest.support:,}.",
        )
    ]
    if evaluation.confusions:
        first = evaluation.confusions[0]
        findings.append(
            Finding(
                "note",
                f"The commonest mistake is {first.truth} taken for {first.answer}: "
                f"{first.count:,} images, {percent(first.share)} of all {first.truth} images.",
            )
        )
    absent = [entry.label for entry in evaluation.per_class if not entry.support]
    if absent:
        findings.append(
            Finding(
                "warning",
                f"There are no images of {listed(absent)}.",
                "Nothing is known of these categories here; the macro-F1 is over the others.",
            )
        )
    return findings


def _about_few_images(evaluation: Evaluation) -> list[Finding]:
    few = rare_categories(evaluation)
    if not few:
        return []
    return [
        Finding(
            "warning",
            f"There are few images of {listed(few)}.",
            "The figures of these categories are rough, and so is the macro-F1: see the intervals "
            "in the table of the categories.",
        )
    ]


def _about_calibration(evaluation: Evaluation) -> Finding:
    error, chance = evaluation.figures.ece, evaluation.ece_by_chance
    points = f"{error * 100:.1f} points"
    if error <= GOOD_CALIBRATION:
        return Finding(
            "good", f"A confidence means what it says: it is off by {points} on average."
        )
    if error <= 2 * chance:
        return Finding(
            "note",
            f"Confidences are off by {points} on average, of which chance alone makes "
            f"{chance * 100:.1f} on so few images.",
        )
    full = [entry for entry in evaluation.calibration if entry.confidence is not None]
    total = evaluation.figures.images
    confidence = sum(entry.count * (entry.confidence or 0) for entry in full) / total
    direction = "sure" if confidence > evaluation.figures.accuracy else "unsure"
    return Finding(
        "warning",
        f"The model is too {direction}, by {points} on average: its mean confidence is "
        f"{percent(confidence)}, its accuracy {percent(evaluation.figures.accuracy)}.",
        "Export it again with a valid split like the images that it will see: the temperatures "
        "are fitted there.",
    )


def _about_review(evaluation: Evaluation) -> Finding:
    review, intervals = evaluation.figures.review, evaluation.intervals
    if review.accuracy is None:
        return Finding(
            "warning", "The artifact's own limits send every answer to a person: none is accepted."
        )
    return Finding(
        _level(ACCEPTED_ACCURACY, intervals.accepted_accuracy),
        f"By the artifact's own limits {percent(review.accepted)} of the answers are accepted, "
        f"and of these {with_interval(review.accuracy, intervals.accepted_accuracy)} are right; "
        f"{percent(ACCEPTED_ACCURACY, 0)} is the aim. The others are for a person to look at.",
    )


def _about_sets(evaluation: Evaluation) -> Finding:
    conformal, interval = evaluation.figures.conformal, evaluation.intervals.coverage
    return Finding(
        _level(COVERAGE, interval),
        f"The sets of labels hold the truth in {with_interval(conformal.coverage, interval)} of "
        f"cases, with {conformal.mean_size:.2f} labels on average; {percent(COVERAGE, 0)} is the "
        "aim.",
    )


def _about_rejection(evaluation: Evaluation) -> list[Finding]:
    figures, images = evaluation.figures.other, evaluation.other_images
    if evaluation.garments_refused is None:
        left_out = f"{images:,} images of other things are left out of all figures. "
        return [
            Finding(
                "warning" if images else "note",
                f"{left_out if images else ''}The model cannot tell other things from garments.",
                "Train with images in a class folder named other.",
            )
        ]
    garments = f"{evaluation.garments_refused:,} of {evaluation.figures.images:,} garments"
    if figures is None:
        return [
            Finding(
                "note",
                f"{garments} are taken for something else. There are no images of other things: "
                "how well the model refuses those is not known here.",
            )
        ]
    findings = [
        Finding(
            "note",
            f"Of {images:,} images of other things "
            f"{with_interval(figures.flagged, evaluation.intervals.flagged)} are recognised as no "
            f"garment, and so are {garments}.",
        )
    ]
    if images < FEW:
        findings.append(
            Finding(
                "warning",
                f"AUROC and the rates beside it rest on {images:,} images of other things alone.",
                "They are rough, and other kinds of things may do better or worse.",
            )
        )
    return findings


def _level(aim: float, interval: Interval | None) -> Level:
    """Good where the aim may be reached; a warning only where it is missed for certain."""
    return "warning" if interval is not None and interval[1] < aim else "good"
