"""Finer labels than the ten categories, where the names of files tell them.

Collections of photos are often sorted more finely than into ten categories, and `prepare` keeps
the names of files: `Sandal/Heels-12345.webp`. A network that has to tell heels from flip-flops
learns more of what makes a sandal than one that only has to say that both are sandals.
Source: Caruana, "Multitask Learning", 1997.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import torch
from torch import Tensor

MIN_IMAGES = 20
"""A finer label of fewer images counts as none."""


def finer_name(file: str) -> str:
    """What a file's name says before its number: `Heels` of `Sandal/Heels-12345.webp`."""
    words = []
    for word in PurePosixPath(file).stem.split("-"):
        if any(character.isdigit() for character in word):
            break
        words.append(word)
    return "-".join(words)


def finer_labels(names: Sequence[str], labels: Tensor) -> tuple[Tensor, Tensor]:
    """Number the finer labels of images; those of two sources or two classes are never the same.

    Args:
        names: N files, each below the name of its source: `home/Coat/Blazer-1.webp`.
        labels: int64 `[N]`, their classes.

    Returns:
        int64 `[N]`, the finer label of each image, and int64 `[K]`, the class of each of the K.
    """
    keys = [
        (name.partition("/")[0], label, finer_name(name))
        for name, label in zip(names, labels.tolist(), strict=True)
    ]
    counts = Counter(keys)
    keys = [key if counts[key] >= MIN_IMAGES else (*key[:2], "") for key in keys]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return torch.tensor([numbers[key] for key in keys]), torch.tensor([key[1] for key in numbers])
