"""All sources side by side, and how their figures are to be read."""

from __future__ import annotations

from collections.abc import Sequence

from app.card import BACKGROUNDS
from training.calibrate import ACCEPTED_ACCURACY, COVERAGE
from training.measurement.evaluation import Evaluation
from training.measurement.metrics import GARMENTS_FOUND
from training.measurement.reliability import CALIBRATION_BINS
from training.measurement.significance import FEW
from training.reports.page import Finding, Section, Table, Text, listed, with_interval
from training.wording import percent


def overview(sources: Sequence[Evaluation]) -> Section:
    """The section that comes first: a table with a column for each source."""
    columns = [_column(evaluation) for evaluation in sources]
    table = Table(
        "Figures of each source; in brackets the 95 % interval",
        ["", *(evaluation.source for evaluation in sources)],
        [[name, *(column[name] for column in columns)] for name in columns[0]],
    )
    return Section(
        "The sources side by side",
        [table, *_rough_figures(sources)],
        [Section("How to read the figures", _how_to_read())],
    )


def rare_categories(evaluation: Evaluation) -> list[str]:
    """The categories with fewer than `FEW` images, but some; each with how many."""
    return [
        f"{entry.label} ({entry.support})"
        for entry in evaluation.per_class
        if 0 < entry.support < FEW
    ]


def _column(evaluation: Evaluation) -> dict[str, str]:
    """What the table says of a source."""
    figures, intervals, other = evaluation.figures, evaluation.intervals, evaluation.figures.other
    refused = evaluation.garments_refused
    refused_share = None if refused is None else refused / figures.images
    return {
        "Garments": f"{figures.images:,}",
        "Their background": _backgrounds(evaluation),
        "Accuracy": with_interval(figures.accuracy, intervals.accuracy),
        "Macro-F1": percent(figures.macro_f1),
        "Calibration error (by chance)": f"{figures.ece:.3f} ({evaluation.ece_by_chance:.3f})",
        "Accepted": with_interval(figures.review.accepted, intervals.accepted),
        "Accuracy of the accepted": with_interval(
            figures.review.accuracy, intervals.accepted_accuracy
        ),
        "Sets that hold the truth": with_interval(figures.conformal.coverage, intervals.coverage),
        "Labels per set": f"{figures.conformal.mean_size:.2f}",
        "Empty sets": percent(figures.conformal.empty),
        "Garments refused": with_interval(refused_share, intervals.garments_refused),
        "Other things": f"{evaluation.other_images:,}",
        "Other things refused": with_interval(other.flagged if other else None, intervals.flagged),
        "AUROC": f"{other.auroc:.3f}" if other else percent(None),
        "FPR at 95 % TPR": with_interval(other.fpr95 if other else None, intervals.fpr95),
    }


def _backgrounds(evaluation: Evaluation) -> str:
    shares = {
        name: evaluation.backgrounds[name] / evaluation.figures.images for name in BACKGROUNDS
    }
    return ", ".join(
        f"{name} {percent(share, 0)}" for name, share in shares.items() if share >= 0.005
    )


def _rough_figures(sources: Sequence[Evaluation]) -> list[Finding]:
    """Which figures rest on few images, where no interval beside them says so."""
    rough = []
    if by_f1 := [evaluation.source for evaluation in sources if rare_categories(evaluation)]:
        rough.append(f"macro-F1 and all figures by category on {listed(by_f1)}")
    others = [evaluation.source for evaluation in sources if 0 < evaluation.other_images < FEW]
    if others:
        rough.append(f"AUROC on {listed(others)}")
    if not rough:
        return []
    return [
        Finding(
            "warning",
            f"Rough, for they rest on fewer than {FEW} images of a kind: {'; '.join(rough)}.",
            "A difference of some points there may be chance.",
        )
    ]


def _how_to_read() -> list[Table | Text]:
    rows = [
        ["Accuracy", "The share of garments that get the right one of the ten categories."],
        [
            "Macro-F1",
            "The mean of the categories' F1, each of which counts the same, however rare it is.",
        ],
        [
            "Calibration error",
            f"How far a confidence is from the share of right answers, on average over "
            f"{CALIBRATION_BINS} bins (ECE). In brackets: what a model whose confidences are right "
            "would have on as many images. An error not far above it says nothing against a model.",
        ],
        [
            "Accepted",
            "The share of garments whose answer the artifact's own limits do not send to a person. "
            f"The limits aim at {percent(ACCEPTED_ACCURACY, 0)} of these being right.",
        ],
        [
            "Sets that hold the truth",
            "Besides an answer, the model gives the set of labels that may be right (a conformal "
            f"set). It is meant to hold the truth in {percent(COVERAGE, 0)} of cases; the fewer "
            "labels it needs for that, the better.",
        ],
        [
            "Refused",
            "The model gives a probability of being a garment of the ten at all. Under its limit, "
            "an image is refused: good for other things, bad for garments.",
        ],
        [
            "AUROC",
            "The chance that a garment has a higher such probability than another thing: 0.5 is "
            "guessing, 1 is perfect. It does not depend on the limit.",
        ],
        [
            "FPR at 95 % TPR",
            f"The share of other things that are taken for garments, if the limit is set so that "
            f"{percent(GARMENTS_FOUND, 0)} of garments are.",
        ],
        [
            "95 % interval",
            "Wilson's: what the share may be on other images of the same kind. Two figures whose "
            "intervals overlap widely do not differ for certain.",
        ],
    ]
    return [
        Table("What each figure means", ["Figure", "Meaning"], rows, words=frozenset({0, 1})),
        Text(
            "All limits were fitted on valid splits: those of the sources that the model was "
            "trained on, or of the data that it was calibrated on since, which its card then "
            "names. They go by the background of the image and not by source: where a source has "
            "images unlike the rest of its background, its shares may miss what is aimed at."
        ),
    ]
