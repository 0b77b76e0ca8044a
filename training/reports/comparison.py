"""The page that `compare` writes."""

from __future__ import annotations

from training.comparison import SIGNIFICANT, Comparison
from training.reports.page import Fact, Finding, Picture, Report, Section, Table, Text, percent


def compare_report(comparison: Comparison, picture: bytes, command: str) -> Report:
    """Compose the page from a comparison and its picture."""
    best = comparison.candidates[comparison.best]
    evaluation = best.evaluation
    return Report(
        title="Which model is best",
        summary=f"{len(comparison.candidates)} artifacts on the {evaluation.split} split of "
        f"{evaluation.data}, {evaluation.figures.images:,} images.",
        facts=[
            Fact("Best", best.title),
            Fact("Its accuracy", percent(evaluation.figures.accuracy, 2)),
            Fact("Its size", f"{evaluation.model.bytes / 1e6:.1f} MB"),
            Fact("Its time", f"{best.milliseconds[1]:.1f} ms", "for one image"),
        ],
        sections=[
            Section("Verdict", [Finding("good", comparison.verdict), _how_it_was_chosen()]),
            Section("Side by side", [*_side_by_side(comparison), _picture(picture)]),
            Section("Recall by category", [_by_category(comparison)]),
        ],
        command=command,
    )


def _how_it_was_chosen() -> Text:
    return Text(
        "The choice: of the artifacts whose accuracy is not worse than the highest beyond chance "
        f"(McNemar's exact test on the same images, p of {SIGNIFICANT:g} or more), the one that "
        "is fastest for one image."
    )


def _side_by_side(comparison: Comparison) -> list[Table | Text]:
    names = ["Accuracy", "95 % interval", "p against the highest", "ECE", "Size", "Parameters"]
    batches = sorted(comparison.candidates[0].milliseconds)
    for batch in batches:
        names += [f"Time, batch of {batch}", f"Ratio to the first, batch of {batch}"]
    columns = []
    for candidate, p in zip(comparison.candidates, comparison.p_values, strict=True):
        model, figures = candidate.evaluation.model, candidate.evaluation.figures
        low, high = candidate.evaluation.accuracy_interval
        column = [
            percent(figures.accuracy, 2),
            f"{percent(low)} to {percent(high)}",
            f"{p:.3f}" if p >= 0.001 else "under 0.001",
            f"{figures.ece:.4f}",
            f"{model.bytes / 1e6:.1f} MB",
            f"{model.parameters / 1e6:.1f} M",
        ]
        for batch in batches:
            column += [f"{candidate.milliseconds[batch]:,.1f} ms", f"{candidate.ratios[batch]:.2f}"]
        columns.append(column)
    header = [
        candidate.title + (" (best)" if index == comparison.best else "")
        for index, candidate in enumerate(comparison.candidates)
    ]
    rows = [list(row) for row in zip(names, *columns, strict=True)]
    return [
        Table("Figures and speed of the artifacts", ["", *header], rows),
        Text(
            f"Times are of the network alone, float32, on {comparison.hardware}. The artifacts "
            "took turns, so that what else ran on the machine hit all of them; a time is the "
            "median, and so is the ratio of calls side by side."
        ),
    ]


def _picture(png: bytes) -> Picture:
    return Picture(
        png,
        "Accuracy against time for one image; the numbers stand in the table above.",
        "Up and to the left is better. Bars are the 95 % intervals of the accuracy.",
        680,
    )


def _by_category(comparison: Comparison) -> Table:
    columns = [candidate.evaluation.per_class for candidate in comparison.candidates]
    return Table(
        "Share of a category's images that get the right answer",
        ["Category", *(candidate.title for candidate in comparison.candidates)],
        [
            [entries[0].label, *(percent(entry.recall) for entry in entries)]
            for entries in zip(*columns, strict=True)
        ],
    )
