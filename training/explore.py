"""Show what is in prepared data: a report with pictures, before anything is trained.

Counts per class and split, samples, mean images, pixel statistics, near-duplicates across splits
or classes, imbalance; and, in words, what was found and what training will do about it. Writes
explore.html (one file, for any browser) and explore.json.

    python -m training explore data/fashion-mnist --output reports/explore
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.command import command_line, output_folder, positive, writable
from training.data.datasets import FOLDERS, find_splits
from training.data.exploration import Duplicate, Exploration, split_facts
from training.data.near_duplicates import Pair, near_duplicates
from training.data.survey import Survey, survey
from training.findings import findings, texts
from training.reports.exploration import explore_report
from training.reports.page import write_report

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of prepared data")
    parser.add_argument(
        "--output", type=output_folder, default=Path("reports/explore"), help="default: %(default)s"
    )
    parser.add_argument(
        "--sample",
        type=positive,
        metavar="N",
        help="look at N images of each split, chosen by chance (default: all)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Explore; prints the findings."""
    splits = find_splits(arguments.data)
    output: Path = arguments.output
    writable(output)  # before a long reading
    surveys = [survey(split, path, arguments.sample) for split, path in splits.items()]
    exploration = Exploration(
        data=arguments.data.resolve().name,
        splits={survey.split: split_facts(survey) for survey in surveys},
        duplicates=duplicates(surveys),
    )
    found = findings(exploration)
    (output / "explore.json").write_text(exploration.model_dump_json(indent=1) + "\n")
    page = output / "explore.html"
    write_report(explore_report(exploration, surveys, found, command_line()), page)
    for split, facts in exploration.splits.items():
        print(f"{split}: {sum(facts.counts.values()):,} images, {len(facts.counts)} classes")
    print(*texts(found), sep="\n")
    print(f"report: {page}")
    return 0


def duplicates(surveys: list[Survey]) -> list[Duplicate]:
    """Near-duplicates of each later split in each earlier one, in the order of `surveys`.

    Then those within each split that lie in two classes.
    """
    found: list[Duplicate] = []
    for second, first in combinations(surveys, 2):
        name = f"comparing {first.split} with {second.split}"
        pairs = near_duplicates(first.thumbnails, second.thumbnails, name)
        found += [_duplicate(first, second, pair) for pair in pairs]
    for one in surveys:
        found += [_duplicate(one, one, pair) for pair in _contradictions(one)]
    return found


def _contradictions(survey: Survey) -> Iterator[Pair]:
    """Near-duplicates of two classes: each class is compared with those after it."""
    labels, name = np.unique(survey.labels)[:-1], f"comparing the classes of {survey.split}"
    for label in tqdm(labels, name, unit="class", disable=None):
        ours, later = np.flatnonzero(survey.labels == label), np.flatnonzero(survey.labels > label)
        for pair in near_duplicates(survey.thumbnails[ours], survey.thumbnails[later]):
            yield Pair(int(ours[pair.first]), int(later[pair.second]), pair.similarity)


def _duplicate(first: Survey, second: Survey, pair: Pair) -> Duplicate:
    return Duplicate(
        first_split=first.split,
        first_file=first.files[pair.first].name,
        first_class=FOLDERS[first.labels[pair.first]],
        second_split=second.split,
        second_file=second.files[pair.second].name,
        second_class=FOLDERS[second.labels[pair.second]],
        similarity=pair.similarity,
    )
