"""The page that `compare` writes."""

from __future__ import annotations

from training.measurement.comparison import AS_FAST, SIGNIFICANT, Candidate, Comparison, p_said
from training.reports.page import (
    Fact,
    Finding,
    Picture,
    Report,
    Section,
    Table,
    Text,
    listed,
    with_interval,
)
from training.wording import percent


def compare_report(comparison: Comparison, picture: bytes, command: str) -> Report:
    """Compose the page from a comparison and its picture."""
    best = comparison.candidates[comparison.best]
    sources = [entry.source for entry in best.sources]
    images = sum(entry.figures.images for entry in best.sources)
    return Report(
        title="Which model is best",
        summary=f"{len(comparison.candidates)} artifacts on the {best.evaluations.split} split of "
        f"{listed(sources)}, {images:,} images.",
        facts=[
            Fact("Best", comparison.titles[comparison.best]),
            Fact(
                "Its accuracy",
                percent(best.accuracy, 2),
                f"mean of {len(sources)} sources" if len(sources) > 1 else "",
            ),
            Fact("Its size", f"{best.evaluations.model.bytes / 1e6:.1f} MB"),
            Fact("Its time", f"{best.milliseconds[1]:.1f} ms", "for one image"),
        ],
        sections=[
            Section("Verdict", [Finding("good", comparison.verdict), _how_it_was_chosen()]),
            Section("Accuracy", [*_accuracies(comparison), _picture(picture)]),
            Section("Size, speed and training", _costs(comparison)),
            Section("Recall by category", _by_category(comparison)),
        ],
        command=command,
    )


def _how_it_was_chosen() -> Text:
    return Text(
        "The choice: of the artifacts that are not worse beyond chance than the one with the "
        "highest accuracy (the mean over the sources), the one that is fastest for one image; "
        f"times that differ by up to {percent(AS_FAST - 1, 0)} count as the same, and of these "
        "the most accurate is chosen, or the first of several. "
        "Worse beyond chance is one that gets fewer images right by McNemar's exact test on the "
        f"same images: on all of them with a p under {SIGNIFICANT:g}, or on those of one source "
        f"with a p under {SIGNIFICANT:g} divided by the number of sources."
    )


def _header(comparison: Comparison) -> list[str]:
    return [
        title + (" (best)" if index == comparison.best else "")
        for index, title in enumerate(comparison.titles)
    ]


def _accuracies(comparison: Comparison) -> list[Table | Text]:
    candidates = comparison.candidates
    rows = [
        [
            f"{entries[0].source}, {entries[0].figures.images:,} images",
            *(with_interval(entry.figures.accuracy, entry.intervals.accuracy) for entry in entries),
        ]
        for entries in zip(*(candidate.sources for candidate in candidates), strict=True)
    ]
    tests = [
        [f"On {source}", *map(p_said, values)]
        for source, values in comparison.source_p_values.items()
    ]
    marked = frozenset[int]()
    if len(rows) > 1:
        marked = frozenset({len(rows)})
        rows.append(["Mean of the sources", *(percent(one.accuracy, 2) for one in candidates)])
        tests.append(["On all images", *map(p_said, comparison.p_values)])
    errors = [
        [f"ECE on {entries[0].source}", *(f"{entry.figures.ece:.3f}" for entry in entries)]
        for entries in zip(*(candidate.sources for candidate in candidates), strict=True)
    ]
    return [
        Table(
            "Accuracy on each source, with its 95 % interval",
            ["", *_header(comparison)],
            [*rows, *errors],
            marked=marked,
        ),
        Table(
            f"McNemar's test against {comparison.titles[comparison.most_accurate]}",
            ["", *_header(comparison)],
            tests,
        ),
        Text(
            "ECE is how far confidences are off, on average. A p is how likely two equally good "
            "models differ as much on the same images. On all images together, a source counts by "
            "how many images it has; in the mean, each source counts the same."
        ),
    ]


def _costs(comparison: Comparison) -> list[Table | Text]:
    names = ["Size", "Parameters"]
    batches = sorted(comparison.candidates[0].milliseconds)
    for batch in batches:
        names += [f"Time, batch of {batch}", f"Ratio to the first, batch of {batch}"]
    names += ["Training", "Epochs"]
    columns = [_cost(candidate, batches) for candidate in comparison.candidates]
    return [
        Table(
            "What the artifacts cost",
            ["", *_header(comparison)],
            [list(row) for row in zip(names, *columns, strict=True)],
        ),
        Text(
            f"Times are of the network alone, float32, on {comparison.hardware}. The artifacts "
            "took turns, so that what else ran on the machine hit all of them; a time is the "
            "median, and so is the ratio of calls side by side. Training is what the epochs took "
            "on the machine that trained, by the history beside the artifact."
        ),
    ]


def _cost(candidate: Candidate, batches: list[int]) -> list[str]:
    model, spent = candidate.evaluations.model, candidate.training
    column = [f"{model.bytes / 1e6:.1f} MB", f"{model.parameters / 1e6:.1f} M"]
    for batch in batches:
        column += [f"{candidate.milliseconds[batch]:,.1f} ms", f"{candidate.ratios[batch]:.2f}"]
    if spent is None:
        return [*column, percent(None), percent(None)]
    return [*column, f"{spent.seconds:,.0f} s", f"{spent.epochs}"]


def _picture(png: bytes) -> Picture:
    return Picture(
        png,
        "Accuracy against time for one image; the numbers stand in the tables.",
        "Up and to the left is better. Bars are the 95 % intervals of the accuracy.",
        680,
    )


def _by_category(comparison: Comparison) -> list[Table]:
    return [
        Table(
            f"Share of a category's images that get the right answer, {entries[0].source}",
            ["Category", *comparison.titles],
            [
                [parts[0].label, *(percent(part.recall) for part in parts)]
                for parts in zip(*(entry.per_class for entry in entries), strict=True)
            ],
        )
        for entries in zip(*(one.sources for one in comparison.candidates), strict=True)
    ]
