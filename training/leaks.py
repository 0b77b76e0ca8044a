"""What near-duplicates mean for the figures and for the labels, in words."""

from __future__ import annotations

from training.data.datasets import OTHER
from training.data.exploration import Duplicate, Exploration, SplitFacts
from training.reports.page import Finding
from training.wording import image_count, percent

_ALL = "Leave out --sample to compare all."


def leaks(exploration: Exploration) -> list[Finding]:
    """What near-duplicates across splits do to the figures, and which labels contradict others."""
    return [*_across(exploration), *_contradictions(exploration)]


def _across(exploration: Exploration) -> list[Finding]:
    """How many images of one split are known from another, and what figures can be worth then."""
    splits = exploration.splits
    if len(splits) < 2:
        return []
    sampled = any(
        facts.looked_at + len(facts.damaged) < sum(facts.counts.values())
        for facts in splits.values()
    )
    across = [pair for pair in exploration.duplicates if pair.first_split != pair.second_split]
    if not across:
        if sampled:
            return [
                Finding(
                    "note",
                    "Among the sampled images, none is a near-duplicate of one in another split.",
                    f"That says little of the others. {_ALL}",
                )
            ]
        return [Finding("good", "No image of one split is a near-duplicate of one in another.")]
    found = []
    for first, second in sorted({(pair.first_split, pair.second_split) for pair in across}):
        pairs = [
            pair for pair in across if (pair.first_split, pair.second_split) == (first, second)
        ]
        found.append(_leak(first, second, pairs, None if sampled else splits[first]))
    return found


def _contradictions(exploration: Exploration) -> list[Finding]:
    torn = sum(pair.first_class != pair.second_class for pair in exploration.duplicates)
    if not torn:
        return []
    return [
        Finding(
            "warning",
            f"{torn:,} {'pair' if torn == 1 else 'pairs'} of near-duplicates "
            f"{'carries' if torn == 1 else 'carry'} two different classes.",
            "At least one label of each is wrong or arguable: look at them below.",
        )
    ]


def _leak(first: str, second: str, pairs: list[Duplicate], of: SplitFacts | None) -> Finding:
    """What to say of the images of `first` in `pairs`, out of those `of` it: None for a sample.

    Of a pair, both images must have been drawn, so that a sample shows few of the pairs there are.
    """
    count = len(pairs)
    has = f"{'has' if count == 1 else 'have'} a near-duplicate in {second}"
    if of is None:
        return Finding(
            "warning",
            f"{image_count(count)} of {first} {has} among the "
            "sampled images; more are to be expected.",
            f"Training keeps them. {_ALL}",
        )
    # Accuracy counts garments alone, so that copies of other things cannot raise it.
    garments = sum(pair.first_class != OTHER for pair in pairs)
    share = garments / max(1, of.garments)
    if second == "train":
        effect = (
            f"By having seen them, a model can gain at most {share * 100:.2f} points of accuracy "
            f"on {first} ({garments:,} of its {of.garments:,} garments)."
        )
    else:
        effect = f"What is fitted to {second} may look better on {first} than it is."
    return Finding(
        "warning" if share > 0.01 else "note",
        f"{image_count(count)} of {first} ({percent(count / of.looked_at, 2)}) {has}.",
        f"Training keeps them. {effect}",
    )
