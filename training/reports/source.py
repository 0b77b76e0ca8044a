"""The part of the page that is about one source: its figures in words, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.calibrate import COVERAGE
from training.measurement.evaluation import Evaluation, Example
from training.measurement.significance import wilson_interval
from training.reports.page import (
    Block,
    Gallery,
    Photo,
    Picture,
    Section,
    Table,
    Text,
    with_interval,
)
from training.reports.pictures import PHOTOS_SHOWN, Pictures
from training.reports.standouts import standouts
from training.wording import percent


def source_section(evaluation: Evaluation, pictures: Pictures) -> Section:
    """One heading with sections below it, from what stands out to the surest mistakes."""
    drawings = pictures.drawings
    return Section(
        evaluation.source,
        [],
        [
            Section("What stands out", standouts(evaluation)),
            Section("Categories", _categories(evaluation)),
            Section("Confusions", _confusions(evaluation, drawings["confusion_matrix"])),
            Section("Calibration", _calibration(evaluation, drawings["reliability"])),
            Section("Sets of labels", _sets(drawings["set_sizes"])),
            Section("Review", _review(drawings["acceptance"])),
            Section("Rejection", _rejection(evaluation, pictures)),
            Section("Surest mistakes", _mistakes(evaluation, pictures)),
        ],
    )


def _categories(evaluation: Evaluation) -> list[Block]:
    return [
        Text(
            "Precision: of the images with this answer, how many are right. Recall: of the images "
            "of this category, how many get it, with its 95 % interval. TP, FP, TN and FN are the "
            "true and false positives and negatives of the category against the rest."
        ),
        Table(
            f"Figures per category, {evaluation.source}",
            ["Category", "Images", "Precision", "Recall", "F1", "TP", "FP", "TN", "FN"],
            [
                [
                    entry.label,
                    f"{entry.support:,}",
                    percent(entry.precision),
                    percent(None)
                    if entry.recall is None
                    else with_interval(entry.recall, wilson_interval(entry.recall, entry.support)),
                    percent(entry.f1),
                    f"{entry.true_positives:,}",
                    f"{entry.false_positives:,}",
                    f"{entry.true_negatives:,}",
                    f"{entry.false_negatives:,}",
                ]
                for entry in evaluation.per_class
            ],
        ),
    ]


def _confusions(evaluation: Evaluation, png: bytes) -> list[Block]:
    return [
        Picture(
            png,
            f"Confusion matrix of {evaluation.source}; the commonest confusions stand in the "
            "table below.",
            "Rows are the truth, columns the answers; the diagonal is right.",
            760,
        ),
        Table(
            f"The commonest confusions, {evaluation.source}",
            ["Truth", "Answer", "Images", "Share of the truth's images"],
            [
                [entry.truth, entry.answer, f"{entry.count:,}", percent(entry.share)]
                for entry in evaluation.confusions
            ],
            words=frozenset({0, 1}),
        ),
    ]


def _calibration(evaluation: Evaluation, png: bytes) -> list[Block]:
    return [
        Picture(
            png,
            "Reliability diagram; its numbers stand in the table below.",
            "On the dashed line, a confidence of 80 % is right in 80 % of cases. A point whose "
            "interval reaches the line may as well lie on it.",
            560,
        ),
        Table(
            f"Confidence and accuracy, {evaluation.source}",
            ["Confidence", "Answers", "Mean confidence", "Accuracy"],
            [
                [
                    f"{percent(entry.low)} to {percent(entry.high)}",
                    f"{entry.count:,}",
                    percent(entry.confidence),
                    with_interval(entry.accuracy, wilson_interval(entry.accuracy, entry.count)),
                ]
                for entry in evaluation.calibration
                if entry.accuracy is not None
            ],
        ),
    ]


def _sets(png: bytes) -> list[Block]:
    return [
        Picture(
            png,
            "Bars: how many sets have each number of labels, with and without the truth.",
            f"All sets together are to hold the truth in {percent(COVERAGE, 0)} of cases. One "
            "label is a plain answer; several are an honest doubt; an empty set says that "
            "no label is sure enough.",
            560,
        )
    ]


def _review(png: bytes) -> list[Block]:
    return [
        Picture(
            png,
            "Curve of the accuracy of the accepted answers against how many are accepted.",
            "From right to left, ever fewer and surer answers are accepted, and more of them are "
            "right. The artifact's own limits also look at how close first and second are, at the "
            "set and at the probability of being a garment: they may lie off the curve.",
            560,
        )
    ]


def _rejection(evaluation: Evaluation, pictures: Pictures) -> list[Block]:
    if evaluation.garments_refused is None:
        return [Text("The model cannot tell garments from other things.")]
    blocks: list[Block] = []
    if "roc" in pictures.drawings:
        blocks.append(
            Picture(
                pictures.drawings["roc"],
                "ROC curve: garments against other things that are taken for garments.",
                "Each point of the curve is a limit. The corner at the top left is perfect.",
                520,
            )
        )
    blocks.append(
        Picture(
            pictures.drawings["garment"],
            "Histogram of the probability of being a garment.",
            "Left of its limit, an image is refused. The scale of the shares is logarithmic: what "
            "looks like a lot in the middle is little.",
            680,
        )
    )
    accepted, refused = evaluation.others_accepted, evaluation.refused_garments
    if accepted:
        blocks.append(
            _gallery(
                "Other things taken for garments, the surest first: what does the model see in "
                "them, and are they really other things?",
                accepted,
                pictures,
                lambda one: [f"taken for {one.answer}", f"garment {percent(one.garment)}"],
            )
        )
    elif evaluation.other_images:
        blocks.append(Text("No other thing is taken for a garment."))
    if refused:
        blocks.append(
            _gallery(
                "Garments refused, the surest first.",
                refused,
                pictures,
                lambda one: [
                    one.truth,
                    f"answer {one.answer}, {percent(one.confidence)}",
                    f"garment {percent(one.garment)}",
                ],
            )
        )
    else:
        blocks.append(Text("No garment is refused."))
    return blocks


def _mistakes(evaluation: Evaluation, pictures: Pictures) -> list[Block]:
    if not evaluation.mistakes:
        return [Text("There are none: every answer is right.")]
    return [
        _gallery(
            "Wrong answers, those that the model is surest of first, as it saw the images. Look "
            "for labels that are wrong, and for what such images have in common.",
            evaluation.mistakes,
            pictures,
            lambda one: [one.truth, f"taken for {one.answer}", f"{percent(one.confidence)} sure"],
        )
    ]


def _gallery(
    caption: str,
    examples: Sequence[Example],
    pictures: Pictures,
    lines: Callable[[Example], list[str]],
) -> Gallery:
    shown = examples[:PHOTOS_SHOWN]
    return Gallery(
        f"{caption} Shown: {len(shown)} of {len(examples):,}; evaluation.json has all.",
        [Photo(pictures.photos[one.index], [*lines(one), one.file]) for one in shown],
    )
