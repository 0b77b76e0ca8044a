"""Find images of one set, such as a split or a class, that are all but the same as one of another.

A copy that was saved again, resized or made brighter counts; one that is mirrored or cut out of a
larger image does not. Each image is a vector of 14 x 14 grey levels, so all pairs are compared by
matrix products in blocks. What correlates there may only have the same outline (trousers do), so
the edges at 28 x 28 have to agree as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

CANDIDATE = 0.99
"""Least correlation of the 14 x 14 grey levels."""

VERIFIED = 0.98
"""Least correlation of the edges at 28 x 28: on Fashion-MNIST, pairs above it show one product,
and most pairs below 0.97 two."""

_NEAREST = 3  # candidates per image
_BLOCK = 512


@dataclass(frozen=True)
class Pair:
    """Row `first` of the one split looks like row `second` of the other."""

    first: int
    second: int
    similarity: float


def near_duplicates(
    first: NDArray[np.uint8], second: NDArray[np.uint8], name: str | None = None
) -> list[Pair]:
    """The pairs of near-duplicates, most alike first; at most one for each row of `first`.

    Args:
        first: grey thumbnails `[M, 28, 28]`.
        second: grey thumbnails `[N, 28, 28]`.
        name: what the progress bar says; without a name there is none.
    """
    if not len(first) or not len(second):
        return []
    ours, theirs = torch.from_numpy(first), torch.from_numpy(second)
    reference = _levels(theirs)
    pairs: list[Pair] = []
    blocks = torch.arange(len(ours)).split(_BLOCK)
    for rows in tqdm(blocks, name, unit="block", disable=None if name else True):
        likeness = _levels(ours[rows]) @ reference.T
        values, columns = likeness.topk(min(_NEAREST, len(theirs)), dim=1)
        places, ranks = (values >= CANDIDATE).nonzero(as_tuple=True)
        left, right = rows[places], columns[places, ranks]
        similarity = (_edges(ours[left]) * _edges(theirs[right])).sum(dim=1)
        best: dict[int, Pair] = {}
        for row, column, value in zip(
            left.tolist(), right.tolist(), similarity.tolist(), strict=True
        ):
            if value >= VERIFIED and (row not in best or value > best[row].similarity):
                best[row] = Pair(row, column, min(1.0, value))
        pairs += best.values()
    return sorted(pairs, key=lambda pair: -pair.similarity)


def _levels(images: Tensor) -> Tensor:
    """Grey levels at half the size, without their mean and of unit length, `[N, 196]`."""
    small = F.avg_pool2d(images.unsqueeze(1).float(), 2).flatten(1)
    return _unit(small - small.mean(dim=1, keepdim=True))


def _edges(images: Tensor) -> Tensor:
    """Differences of neighbouring grey levels, of unit length, `[N, 1458]`."""
    images = images.float()
    across = (images[:, :, 1:] - images[:, :, :-1])[:, :-1]
    down = (images[:, 1:] - images[:, :-1])[:, :, :-1]
    return _unit(torch.stack([across, down], dim=1).flatten(1))


def _unit(vectors: Tensor) -> Tensor:
    # A blank image stays nearly zero and is like no other.
    lengths: Tensor = vectors.norm(dim=1, keepdim=True)
    return vectors / lengths.clamp(min=1.0)
