"""Cut valid and test off the images that came without a split, class by class.

Which split an image goes to follows from its pixels and the seed, and from no other image. So it
stays there when photos are added, renamed or sorted into another class, and what a model was
trained on does not come up in the test of the next one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from training.data.folder_names import SPLITS
from training.data.originals import Item
from training.errors import DataError

Members = Sequence[Item]
Cut = Callable[[Members, Mapping[str, float]], dict[str, list[Item]]]


def split(
    items: Members, shares: Mapping[str, float], seed: int, *, shuffled: bool = False
) -> dict[str, list[Item]]:
    """Keep the splits that are there; cut the missing ones off the rest.

    Args:
        items: checked images, with their digests.
        shares: of test and valid, by name.
        seed: another one gives other splits.
        shuffled: cut exact shares at random instead. Only for data that never grow: one image
            more, and all are dealt anew.

    Raises:
        DataError: a class has too few images.
    """
    splits: dict[str, list[Item]] = {name: [] for name in SPLITS}
    by_class: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.split in ("valid", "test"):
            splits[item.split].append(item)
        else:
            by_class[item.folder].append(item)
    missing = {name: shares[name] for name in ("test", "valid") if not splits[name]}
    cut = _shuffled(seed) if shuffled else _by_digest(seed)
    small = {
        name: len(members) for name, members in by_class.items() if len(members) <= len(missing)
    }
    if small:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(small.items()))
        raise DataError(
            f"too few images to split: {listed}. A class needs {len(missing) + 1}: add some, or "
            "leave it out"
        )
    for _, members in sorted(by_class.items()):
        for name, chosen in cut(members, missing).items():
            splits[name] += chosen
    return splits


def _by_digest(seed: int) -> Cut:
    """Each image has its place from 0 to 1; below the share of test it is test, and so on.

    A class gets at least one image for each split: the one whose place comes next. Images that
    are added can only take its part, so that it goes to train; none ever leaves train, but for a
    class so small that all its places are below the shares.
    """

    def place(item: Item) -> float:
        digest = hashlib.sha256(f"{seed} {item.digest}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def cut(members: Members, missing: Mapping[str, float]) -> dict[str, list[Item]]:
        ordered = sorted(members, key=place)
        chosen: dict[str, list[Item]] = {}
        share, start = 0.0, 0
        for before, name in enumerate(missing):
            share += missing[name]
            most = len(ordered) - (len(missing) - before)  # one is left for each split to come
            end = min(max(sum(place(item) < share for item in ordered), start + 1), most)
            chosen[name], start = ordered[start:end], end
        return {**chosen, "train": ordered[start:]}

    return cut


def _shuffled(seed: int) -> Cut:
    """The released figures stand on this cut of Fashion-MNIST: a test knows its bytes."""
    random = np.random.default_rng(seed)

    def cut(members: Members, missing: Mapping[str, float]) -> dict[str, list[Item]]:
        ordered = sorted(members, key=lambda item: item.name)
        rest = [ordered[index] for index in random.permutation(len(ordered))]
        chosen: dict[str, list[Item]] = {}
        for name, share in missing.items():
            count = max(1, round(len(members) * share))
            chosen[name], rest = rest[:count], rest[count:]
        return {**chosen, "train": rest}

    return cut


def check_classes(counts: Mapping[str, Mapping[str, int]]) -> None:
    """Refuse a class that cannot be both learnt and measured.

    Args:
        counts: images by split and class.

    Raises:
        DataError: a class is in one split only, or not in train.
    """
    for folder in sorted({name for part in counts.values() for name in part}):
        where = [name for name in counts if folder in counts[name]]
        if len(where) == 1 or "train" not in where:
            raise DataError(
                f"the class {folder!r} is only in {' and '.join(where)}: a class needs images in "
                "train and in one more split"
            )
