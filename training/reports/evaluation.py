"""The page that `evaluate` writes: the figures of an artifact, said in words, tables, pictures."""

from __future__ import annotations

from collections.abc import Mapping

from training.evaluation import Evaluation
from training.reports.page import Fact, Finding, Picture, Report, Section, Table, Text, percent

GOOD_CALIBRATION = 0.02
"""An ECE up to this is called good: confidences are off by two points on average."""


def evaluation_report(
    evaluation: Evaluation, pictures: Mapping[str, bytes], command: str
) -> Report:
    """Compose the page from an evaluation and its PNGs (`mistakes` only where there are any)."""
    model, figures = evaluation.model, evaluation.figures
    low, high = evaluation.accuracy_interval
    wrong = figures.images - round(figures.accuracy * figures.images)
    facts = [
        Fact(
            "Accuracy",
            percent(figures.accuracy, 2),
            f"95 % interval {percent(low)} to {percent(high)}",
        ),
        Fact("Macro-F1", percent(figures.macro_f1, 2), "mean over the categories"),
        Fact("Calibration error", f"{figures.ece:.4f}", "ECE, 15 bins"),
        Fact("Images", f"{figures.images:,}", f"{wrong:,} answered wrongly"),
        Fact("Size", f"{model.bytes / 1e6:.1f} MB", f"{model.parameters / 1e6:.1f} M parameters"),
    ]
    return Report(
        title=f"Evaluation of {model.name} {model.version}",
        summary=f"The artifact was run on the {evaluation.split} split of {evaluation.data} in "
        f"{evaluation.precision} and is right on {percent(figures.accuracy, 2)} of "
        f"{figures.images:,} images.",
        facts=facts,
        sections=[
            Section("What stands out", _findings(evaluation)),
            Section("Categories", _categories(evaluation)),
            Section("Confusions", _confusions(evaluation, pictures["confusion_matrix"])),
            Section("Calibration", _calibration(evaluation, pictures["reliability"])),
            Section("Surest mistakes", _mistakes(evaluation, pictures.get("mistakes"))),
            Section("The artifact", _artifact(evaluation)),
        ],
        command=command,
    )


def _findings(evaluation: Evaluation) -> list[Finding]:
    findings = []
    measured = [entry for entry in evaluation.per_class if entry.recall is not None]
    weakest = min(measured, key=lambda entry: entry.recall or 0.0)
    strongest = max(measured, key=lambda entry: entry.recall or 0.0)
    findings.append(
        Finding(
            "note",
            f"{weakest.label} is found least: {percent(weakest.recall)} of its images; "
            f"{strongest.label} most: {percent(strongest.recall)}.",
        )
    )
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
                f"The split has no images of {', '.join(absent)}.",
                "Nothing is known of these categories; the macro-F1 is over the others.",
            )
        )
    findings.append(_about_calibration(evaluation))
    review = evaluation.review
    rest = (
        f"the rest are right in {percent(review.accuracy_of_rest)} of cases"
        if review.accuracy_of_rest is not None
        else "there is no rest"
    )
    findings.append(
        Finding(
            "note",
            f"By the artifact's own limits, {percent(review.share)} of the answers are for a "
            f"person to look at; {rest}.",
        )
    )
    if evaluation.other.images:
        findings.append(_about_others(evaluation))
    return findings


def _about_calibration(evaluation: Evaluation) -> Finding:
    error = evaluation.figures.ece
    full = [entry for entry in evaluation.calibration if entry.confidence is not None]
    total = evaluation.figures.images
    confidence = sum(entry.count * (entry.confidence or 0) for entry in full) / total
    gap = confidence - evaluation.figures.accuracy
    if error <= GOOD_CALIBRATION:
        return Finding(
            "good",
            f"A confidence means what it says: it is off by {error * 100:.1f} points on average.",
        )
    direction = "sure" if gap > 0 else "unsure"
    return Finding(
        "warning",
        f"The model is too {direction}: its mean confidence is {percent(confidence)}, its "
        f"accuracy {percent(evaluation.figures.accuracy)}.",
        "Export it again with a valid split like the images that it will see: the temperature is "
        "fitted there.",
    )


def _about_others(evaluation: Evaluation) -> Finding:
    other = evaluation.other
    left_out = f"{other.images:,} images of other things are left out of all figures."
    if other.flagged is None:
        return Finding(
            "warning",
            f"{left_out} The model cannot tell them from garments.",
            "Train with images in a class folder named other.",
        )
    return Finding(
        "note",
        f"{left_out} {other.flagged:,} of them were recognised as no garment, and so were "
        f"{other.garments_flagged:,} of {evaluation.figures.images:,} garments.",
    )


def _categories(evaluation: Evaluation) -> list[Table | Text]:
    return [
        Text(
            "Precision: of the images with this answer, how many are right. Recall: of the images "
            "of this category, how many get it. TP, FP, TN and FN are the true and false "
            "positives and negatives of the category against the rest."
        ),
        Table(
            "Figures per category",
            ["Category", "Precision", "Recall", "F1", "Images", "TP", "FP", "TN", "FN"],
            [
                [
                    entry.label,
                    percent(entry.precision),
                    percent(entry.recall),
                    percent(entry.f1),
                    f"{entry.support:,}",
                    f"{entry.true_positives:,}",
                    f"{entry.false_positives:,}",
                    f"{entry.true_negatives:,}",
                    f"{entry.false_negatives:,}",
                ]
                for entry in evaluation.per_class
            ],
        ),
    ]


def _confusions(evaluation: Evaluation, png: bytes) -> list[Picture | Table]:
    return [
        Picture(
            png,
            "Confusion matrix; the commonest confusions stand in the table below.",
            "Rows are the truth, columns the answers; the diagonal is right.",
            760,
        ),
        Table(
            "The commonest confusions",
            ["Truth", "Answer", "Images", "Share of the truth's images"],
            [
                [entry.truth, entry.answer, f"{entry.count:,}", percent(entry.share)]
                for entry in evaluation.confusions
            ],
            words=frozenset({0, 1}),
        ),
    ]


def _calibration(evaluation: Evaluation, png: bytes) -> list[Picture | Table]:
    return [
        Picture(
            png,
            "Reliability diagram; its numbers stand in the table below.",
            "On the dashed line, a confidence of 80 % is right in 80 % of cases. Points of few "
            "answers say little.",
            560,
        ),
        Table(
            "Confidence and accuracy",
            ["Confidence", "Answers", "Mean confidence", "Accuracy"],
            [
                [
                    f"{percent(entry.low)} to {percent(entry.high)}",
                    f"{entry.count:,}",
                    percent(entry.confidence),
                    percent(entry.accuracy),
                ]
                for entry in evaluation.calibration
                if entry.count
            ],
        ),
    ]


def _mistakes(evaluation: Evaluation, png: bytes | None) -> list[Picture | Text]:
    if png is None:
        return [Text("There are none: every answer is right.")]
    shown = len(evaluation.mistakes)
    return [
        Picture(
            png,
            f"The {shown} wrong answers with the highest confidence, each with truth and answer.",
            f"The {shown} wrong answers that the model is surest of. Look for labels that are "
            "wrong, and for what such images have in common.",
        )
    ]


def _artifact(evaluation: Evaluation) -> list[Table]:
    model = evaluation.model
    rows = [
        ["Name and version", f"{model.name} {model.version}"],
        ["Architecture", model.architecture],
        ["SHA-256", model.sha256],
        ["Speed here", f"{evaluation.images_per_second:,.0f} images/s"],
    ]
    return [Table("Which file was measured", ["", "Value"], rows, words=frozenset({0, 1}))]
