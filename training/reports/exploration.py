"""The page that `explore` writes: what is in the data, in words, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.data.datasets import FOLDERS
from training.data.exploration import Exploration, Spread
from training.data.near_duplicates import VERIFIED
from training.data.survey import Survey, show
from training.reports import plots
from training.reports.page import Fact, Finding, Picture, Report, Section, Table, Text
from training.wording import percent

SAMPLES_PER_CLASS = 10
PAIRS_SHOWN = 24


def explore_report(
    exploration: Exploration, surveys: Sequence[Survey], found: Sequence[Finding], command: str
) -> Report:
    """Compose the page; pictures are of the first of the splits, which is train where it is."""
    splits = exploration.splits
    total = sum(sum(facts.counts.values()) for facts in splits.values())
    warnings = sum(finding.level == "warning" for finding in found)
    facts = [
        Fact("Images", f"{total:,}", f"in {', '.join(splits)}"),
        Fact("Classes", str(len({name for entry in splits.values() for name in entry.counts}))),
        Fact(
            "Near-duplicates",
            f"{len(exploration.duplicates):,}",
            f"pairs {_looked_for(exploration)}",
        ),
        Fact("Unreadable", f"{sum(len(entry.damaged) for entry in splits.values()):,}", "files"),
        Fact("Warnings", str(warnings), "see below" if warnings else "nothing stands in the way"),
    ]
    looked = sum(entry.looked_at + len(entry.damaged) for entry in splits.values())
    scope = "Every image was looked at." if looked == total else f"{looked:,} were looked at."
    return Report(
        title=f"What is in {exploration.data}",
        summary=f"{total:,} images in {len(splits)} split{'s'[: len(splits) > 1]}. {scope}",
        facts=facts,
        sections=[
            Section("What was found, and what training does about it", found),
            Section("Images per class and split", _counts(exploration)),
            Section("Samples", _samples(surveys[0])),
            Section("Mean images", _mean_images(surveys[0])),
            Section("Pixels and files", _pixels(exploration, surveys)),
            Section("Near-duplicates", _duplicates(exploration, surveys)),
        ],
        command=command,
    )


def _names(exploration: Exploration) -> list[str]:
    known = {name for facts in exploration.splits.values() for name in facts.counts}
    return [name for name in FOLDERS if name in known]


def _counts(exploration: Exploration) -> list[Picture | Table]:
    names = _names(exploration)
    splits = exploration.splits
    rows = [
        [name, *(f"{facts.counts.get(name, 0):,}" for facts in splits.values())] for name in names
    ]
    rows.append(["all", *(f"{sum(facts.counts.values()):,}" for facts in splits.values())])
    bars = plots.grouped_bars(
        {split: [facts.counts.get(name, 0) for name in names] for split, facts in splits.items()},
        names,
        "images",
    )
    return [
        Picture(bars, "Bars of the counts that stand in the table below.", width=760),
        Table("Images", ["Class", *splits], rows, marked=frozenset({len(names)})),
    ]


def _samples(survey: Survey) -> list[Picture | Text]:
    random = np.random.default_rng(0)
    rows = {}
    for label in np.unique(survey.labels):
        members = np.flatnonzero(survey.labels == label)
        count = min(SAMPLES_PER_CLASS, len(members))
        chosen = random.choice(members, count, replace=False)
        rows[FOLDERS[label]] = [show(survey.folder, survey.files[index]) for index in chosen]
    if not rows:
        return [Text("No image can be read.")]
    return [
        Picture(
            plots.labelled_rows(rows),
            f"Up to {SAMPLES_PER_CLASS} images of each class.",
            f"Chosen by chance from {survey.split}, as the network gets them.",
            of_photos=True,
        )
    ]


def _mean_images(survey: Survey) -> list[Picture | Text]:
    if not survey.class_means:
        return [Text("No image can be read.")]
    names = [FOLDERS[label] for label in survey.class_means]
    return [
        Picture(
            plots.captioned(list(survey.class_means.values()), names, columns=6),
            "The mean image of each class.",
            f"The mean of all images of a class in {survey.split}. A sharp one means that its "
            "images are alike; two that look the same are hard to tell apart.",
            900,
            of_photos=True,
        )
    ]


def _pixels(exploration: Exploration, surveys: Sequence[Survey]) -> list[Picture | Table]:
    splits = exploration.splits
    rows = [
        ["Width, pixels", *(_range(facts.width, 0) for facts in splits.values())],
        ["Height, pixels", *(_range(facts.height, 0) for facts in splits.values())],
        ["Width by height", *(_range(facts.aspect, 2) for facts in splits.values())],
        [
            "File formats",
            *(
                ", ".join(f"{name} {count:,}" for name, count in facts.formats.items())
                for facts in splits.values()
            ),
        ],
        [
            "Grey images",
            *(percent(facts.grey / max(1, facts.looked_at)) for facts in splits.values()),
        ],
        [
            "Brightness, 0 to 255",
            *(
                f"{facts.brightness_mean:.1f} ± {facts.brightness_deviation:.1f}"
                for facts in splits.values()
            ),
        ],
        [
            "Channel means R, G, B",
            *(_triple(facts.channel_mean) for facts in splits.values()),
        ],
        [
            "Channel deviations R, G, B",
            *(_triple(facts.channel_std) for facts in splits.values()),
        ],
    ]
    blocks: list[Picture | Table] = [
        Table(
            "Ranges are least, median and largest; channels are of 0 to 1",
            ["", *splits],
            rows,
        )
    ]
    brightness = {survey.split: survey.brightness for survey in surveys if len(survey.files)}
    if brightness:
        blocks.append(
            Picture(
                plots.histograms(brightness, "brightness: mean grey level of an image, 0 to 255"),
                "Histogram of the images' brightness, by split.",
                "Splits of one source lie on one another.",
                760,
            )
        )
    return blocks


def _range(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "–"  # noqa: RUF001  # a dash
    if spread.low == spread.high:
        return f"{spread.low:,.{digits}f}"
    return " / ".join(f"{value:,.{digits}f}" for value in (spread.low, spread.median, spread.high))


def _triple(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def _looked_for(exploration: Exploration) -> str:
    within = "of two classes within one"
    return f"across splits or {within}" if len(exploration.splits) > 1 else f"{within} split"


def _duplicates(
    exploration: Exploration, surveys: Sequence[Survey]
) -> list[Picture | Table | Text]:
    if not exploration.duplicates:
        return [Text(f"No pairs {_looked_for(exploration)}.")]
    # Pairs of two classes first: they are the ones to act on.
    shown = sorted(
        exploration.duplicates,
        key=lambda pair: (pair.first_class == pair.second_class, -pair.similarity),
    )[:PAIRS_SHOWN]
    by_split = {
        survey.split: (survey.folder, {file.name: file for file in survey.files})
        for survey in surveys
    }
    pictures, captions, rows = [], [], []
    for number, pair in enumerate(shown, 1):
        sides = []
        for split, name in (
            (pair.first_split, pair.first_file),
            (pair.second_split, pair.second_file),
        ):
            folder, files = by_split[split]
            sides.append(show(folder, files[name]))
        gap = np.full((len(sides[0]), 6, 3), 255, np.uint8)
        pictures.append(np.concatenate([sides[0], gap, sides[1]], axis=1))
        captions.append(
            f"{number}. {pair.first_split}: {pair.first_class}\n"
            f"{pair.second_split}: {pair.second_class}"
        )
        rows.append(
            [
                str(number),
                f"{pair.first_split}/{pair.first_file}",
                f"{pair.second_split}/{pair.second_file}",
                f"{pair.similarity:.3f}",
            ]
        )
    total = len(exploration.duplicates)
    return [
        Text(
            f"Pairs whose edges correlate by {VERIFIED} or more, {_looked_for(exploration)}. "
            "Copies that are mirrored or cut out of a larger image are not found."
        ),
        Picture(
            plots.captioned(pictures, captions, columns=4),
            "Pairs of near-duplicates; their files stand in the table below.",
            f"{len(shown)} of {total:,} pairs, those of two classes first; explore.json has all.",
            of_photos=True,
        ),
        Table(
            "The files of the pairs above",
            ["Pair", "One", "The other", "Correlation"],
            rows,
            words=frozenset({0, 1, 2}),
        ),
    ]
