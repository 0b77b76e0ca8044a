"""What follows from the figures of `explore`, and what training does about it, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.card import CATEGORIES
from training.data.datasets import FOLDERS, OTHER
from training.data.exploration import Exploration, SplitFacts
from training.leaks import leaks
from training.networks import INPUT_SIZE
from training.reports.page import Finding
from training.rules import MAX_CLASS_RATIO
from training.wording import image_count

SHIFT = 0.25
"""Splits whose mean brightness differs by more than this share of its deviation are unlike."""

BEYOND_CHANCE = 3.0
"""And by more than so many standard errors: means of a few images differ by chance."""


def findings(exploration: Exploration) -> list[Finding]:
    """What was found and what training does about it, in words."""
    splits = exploration.splits
    found = [*_balance(splits), *_classes(splits), *leaks(exploration), *_files(splits)]
    return found + _pixels(splits)


def _balance(splits: dict[str, SplitFacts]) -> list[Finding]:
    if "train" not in splits:
        return [
            Finding(
                "warning",
                "There is no train split.",
                "Training needs one: python -m training prepare makes all three.",
            )
        ]
    counts = splits["train"].counts
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[largest] == counts[smallest]:
        return [
            Finding(
                "good",
                f"The classes are balanced: {counts[largest]:,} images to train on each.",
                "Trained on alone, every image comes once per epoch; in a mix of sources, as "
                "often as --weights says.",
            )
        ]
    ratio = counts[largest] / counts[smallest]
    said = (
        f"{largest} has {ratio:.1f} times as many images to train on as {smallest} "
        f"({counts[largest]:,} and {counts[smallest]:,})."
    )
    if ratio > MAX_CLASS_RATIO:
        return [
            Finding(
                "warning",
                f"The classes are not balanced: {said}",
                "Training draws rarer classes more often, by the square root of their size "
                f"(--balance auto does so above {MAX_CLASS_RATIO:g} times; --balance off shows "
                f"every image equally often). More images of {smallest} would be better still.",
            )
        ]
    return [
        Finding(
            "good",
            f"The classes are nearly balanced: {said}",
            f"Training does nothing about it up to {MAX_CLASS_RATIO:g} times.",
        )
    ]


def _classes(splits: dict[str, SplitFacts]) -> list[Finding]:
    found = []
    known = {name for facts in splits.values() for name in facts.counts}
    missing = [name for name in FOLDERS[: len(CATEGORIES)] if name not in known]
    if missing:
        found.append(
            Finding(
                "warning",
                f"No split has images of {', '.join(missing)}.",
                "A model trained on these data cannot learn them.",
            )
        )
    for name, facts in splits.items():
        if absent := [entry for entry in FOLDERS if entry in known - facts.counts.keys()]:
            found.append(
                Finding(
                    "warning",
                    f"The {name} split lacks {', '.join(absent)}, which another split has.",
                    "Prepare the data again, so that each class is in all splits.",
                )
            )
    if OTHER in known:
        found.append(
            Finding(
                "note",
                f"There are images of no category, in the class {OTHER}.",
                "The network gets an eleventh output and the model can flag what is no garment.",
            )
        )
    return found


def _files(splits: dict[str, SplitFacts]) -> list[Finding]:
    found = []
    blank = sum(len(facts.blank) for facts in splits.values())
    for kind, names, action in (
        (
            "cannot be read",
            [f"{split}/{name}" for split, facts in splits.items() for name in facts.damaged],
            "Training stops at them. python -m training prepare leaves them out.",
        ),
        (
            "is blank" if blank == 1 else "are blank",
            [f"{split}/{name}" for split, facts in splits.items() for name in facts.blank],
            "Training keeps them, and nothing can be learned from them: take them out.",
        ),
    ):
        if names:
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            found.append(Finding("warning", f"{image_count(len(names))} {kind}: {listed}.", action))
    return found


def _pixels(splits: dict[str, SplitFacts]) -> list[Finding]:
    found = []
    seen = [facts for facts in splits.values() if facts.width and facts.height]
    if not seen:
        return []
    edges = [facts.width.median for facts in seen if facts.width]
    if max(edges) < INPUT_SIZE:
        found.append(
            Finding(
                "note",
                f"The images are small: {_plain(min(edges))} pixels wide at the median.",
                f"They are enlarged to the network's {INPUT_SIZE} x {INPUT_SIZE}, smoothly.",
            )
        )
    aspects = [spread for facts in seen if (spread := facts.aspect)]
    low, high = min(spread.low for spread in aspects), max(spread.high for spread in aspects)
    if low < high or low != 1:
        found.append(
            Finding(
                "note",
                f"Width by height goes from {low:.2f} to {high:.2f}.",
                "The aspect is kept: the square is filled with the border's own colour.",
            )
        )
    grey, total = sum(facts.grey for facts in seen), sum(facts.looked_at for facts in seen)
    if grey == total:
        found.append(
            Finding(
                "note",
                "All images are grey.",
                "A model trained on them alone has never seen colour: do not expect its figures "
                "on colour photos.",
            )
        )
    return found + _shifts(splits)


def _shifts(splits: dict[str, SplitFacts]) -> list[Finding]:
    train = splits.get("train")
    if train is None or not train.looked_at or not train.brightness_deviation:
        return []
    found = []
    for name, facts in splits.items():
        if not facts.looked_at:
            continue
        shift = (facts.brightness_mean - train.brightness_mean) / train.brightness_deviation
        error = math.sqrt(1 / facts.looked_at + 1 / train.looked_at)
        if abs(shift) > max(SHIFT, BEYOND_CHANCE * error):
            found.append(
                Finding(
                    "warning",
                    f"The images of {name} are {'brighter' if shift > 0 else 'darker'} than those "
                    f"of train: {facts.brightness_mean:.0f} against {train.brightness_mean:.0f}.",
                    "The splits may come from different sources; figures on one say less of the "
                    "other.",
                )
            )
    return found


def _plain(value: float) -> str:
    return f"{value:,.0f}"


def texts(found: Sequence[Finding]) -> list[str]:
    """Findings as lines for the terminal."""
    return [f"{entry.level}: {entry.text} {entry.action}".rstrip() for entry in found]
