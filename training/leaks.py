"""What near-duplicates across splits mean for the figures, in words."""

from __future__ import annotations

from training.exploration import Exploration
from training.reports.page import Finding
from training.wording import image_count, percent

_ALL = "Leave out --sample to compare all."


def leaks(exploration: Exploration) -> list[Finding]:
    """How many images of one split are known from another, and what figures can be worth then."""
    splits = exploration.splits
    if len(splits) < 2:
        return []
    sampled = any(
        facts.looked_at + len(facts.damaged) < sum(facts.counts.values())
        for facts in splits.values()
    )
    if not exploration.duplicates:
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
    for first, second in sorted({(d.first_split, d.second_split) for d in exploration.duplicates}):
        pairs = [
            pair
            for pair in exploration.duplicates
            if (pair.first_split, pair.second_split) == (first, second)
        ]
        found.append(_leak(first, second, len(pairs), None if sampled else splits[first].looked_at))
    torn = [pair for pair in exploration.duplicates if pair.first_class != pair.second_class]
    if torn:
        found.append(
            Finding(
                "warning",
                f"{len(torn):,} of these pairs {'carries' if len(torn) == 1 else 'carry'} two "
                "different classes.",
                "At least one label of each is wrong or arguable: look at them below.",
            )
        )
    return found


def _leak(first: str, second: str, count: int, of: int | None) -> Finding:
    """What to say of `count` images of `first`, out of `of`: None for a sample.

    Of a pair, both images must have been drawn, so that a sample shows few of the pairs there are.
    """
    has = f"{'has' if count == 1 else 'have'} a near-duplicate in {second}"
    if of is None:
        return Finding(
            "warning",
            f"{image_count(count)} of {first} {has} among the "
            "sampled images; more are to be expected.",
            f"Training keeps them. {_ALL}",
        )
    share = count / of
    if second == "train":
        effect = (
            f"By having seen them, a model can gain at most {share * 100:.2f} points of accuracy "
            f"on {first}."
        )
    else:
        effect = f"What is fitted to {second} may look better on {first} than it is."
    return Finding(
        "warning" if share > 0.01 else "note",
        f"{image_count(count)} of {first} ({percent(share, 2)}) {has}.",
        f"Training keeps them. {effect}",
    )
