"""Several sources of images as one split to train on: how often an epoch draws each image.

A source that is small or a class that is rare would hardly be learnt if every image came equally
often. So sources are drawn by weights, and classes within a source by the square root of their
size (Mahajan et al., "Exploring the Limits of Weakly Supervised Pretraining", 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from app.card import CATEGORIES
from training.data.loading import Split
from training.errors import DataError
from training.rules import MAX_CLASS_RATIO

Balance = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Mixture:
    """The images of all sources, and what becomes of each in training.

    `split` holds N images, `draws` float64 `[N]` how often an epoch draws each on average, and
    `strength` float32 `[N]` how strongly it is augmented; `sizes` are the sources' images.
    """

    split: Split
    draws: Tensor
    strength: Tensor
    sizes: dict[str, int]

    @property
    def outputs(self) -> int:
        """How many a network needs: ten, and one more where there are images of `other`."""
        return len(CATEGORIES) + bool((self.split.labels == len(CATEGORIES)).any())

    @property
    def missing(self) -> list[str]:
        """The categories of which an epoch draws no image: no network learns them."""
        drawn = set(self.split.labels[self.draws > 0].tolist())
        return [name for label, name in enumerate(CATEGORIES) if label not in drawn]

    def order(self, generator: torch.Generator) -> Tensor:
        """The images of one epoch, shuffled: int64, `draws.sum()` of them.

        Where that is no whole number, chance rounds it up or down. Systematic sampling: an image
        that is to come 1.5 times comes once or twice, never less or more, and one that is to come
        once comes exactly once.
        """
        shuffled = torch.randperm(len(self.draws), generator=generator)
        # In 2^-20ths, as whole numbers: sums of floats would lose or gain an image now and then.
        unit = 2**20
        ends = (self.draws[shuffled] * unit).round().long().cumsum(0)
        start = torch.randint(unit, (1,), generator=generator)
        times = torch.diff(
            (ends + start).div(unit, rounding_mode="floor"), prepend=ends.new_zeros(1)
        )
        drawn = shuffled.repeat_interleave(times)
        return drawn[torch.randperm(len(drawn), generator=generator)]


def is_imbalanced(labels: Tensor) -> bool:
    """Whether the largest class has over `MAX_CLASS_RATIO` times the images of the smallest."""
    counts = labels.bincount()
    counts = counts[counts > 0]
    return bool(counts.max() > MAX_CLASS_RATIO * counts.min())


def default_weights(sizes: Mapping[str, int]) -> dict[str, float]:
    """How often an epoch sees each image of a source: the largest once, a smaller one more often.

    By the square root of the sizes' ratio: a source of a hundredth comes ten times, and so makes
    up a tenth as much of the epoch.
    """
    largest = max(sizes.values())
    return {name: math.sqrt(largest / size) for name, size in sizes.items()}


def mix(
    sources: Mapping[str, Split],
    weights: Mapping[str, float],
    strengths: Mapping[str, float],
    balance: Balance = "auto",
) -> Mixture:
    """Join sources, each with its weight and its strength of augmentation.

    Args:
        sources: the splits by name, each of `[N_i, 3, S, S]`.
        weights: how often an epoch sees each image of a source, on average.
        strengths: see `training.augment`.
        balance: whether rare classes of a source are drawn more often; `auto` where its largest
            class has over 1.5 times the images of its smallest.

    Raises:
        DataError: the weights are so small that an epoch draws no image.
    """
    draws, strength = [], []
    for name, split in sources.items():
        each = torch.ones(len(split), dtype=torch.float64)
        if balance == "on" or (balance == "auto" and is_imbalanced(split.labels)):
            each = split.labels.bincount().double().rsqrt()[split.labels]
        draws.append(each * weights[name] * len(split) / each.sum())
        strength.append(torch.full((len(split),), strengths[name]))
    all_draws = torch.cat(draws)
    if all_draws.sum() < 1:
        raise DataError("--weights leaves no image to train on: an epoch draws less than one")
    splits = list(sources.values())
    joined = Split(
        torch.cat([split.images for split in splits]) if len(splits) > 1 else splits[0].images,
        torch.cat([split.labels for split in splits]),
        [f"{source}/{name}" for source, split in sources.items() for name in split.names],
    )
    sizes = {name: len(split) for name, split in sources.items()}
    return Mixture(joined, all_draws, torch.cat(strength), sizes)
