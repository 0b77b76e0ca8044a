"""Which images a step sees, at which size: seeded by the epoch, shared among the processes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from training.datasets import Split
from training.options import Options
from training.rules import MAX_CLASS_RATIO


def is_imbalanced(labels: Tensor) -> bool:
    """Whether the largest class has over `MAX_CLASS_RATIO` times the images of the smallest."""
    counts = labels.bincount()
    counts = counts[counts > 0]
    return bool(counts.max() > MAX_CLASS_RATIO * counts.min())


class Batches:
    """A split's images in memory, cut into the batches of one process."""

    def __init__(
        self, split: Split, options: Options, rank: int, world: int, device: torch.device
    ) -> None:
        """Hold `split` for process `rank` of `world`, its images on `device`."""
        self.split, self.labels = split, split.labels
        self.batch_size, self.seed = options.batch_size, options.seed
        self.rank, self.world, self.device = rank, world, device
        self.balanced = options.balance == "on" or (
            options.balance == "auto" and is_imbalanced(split.labels)
        )
        self.steps = max(1, len(split) // options.batch_size)
        self._sized: tuple[int, Tensor] | None = None

    def images(self, size: int) -> Tensor:
        """All images, uint8 `[N, 3, size, size]`, resized once; only the last size is kept."""
        if self._sized is None or self._sized[0] != size:
            images = self.split.images
            if images.shape[-1] != size:
                images = torch.cat(
                    [
                        F.interpolate(part, (size, size), mode="bilinear", antialias=True)
                        for part in images.split(1024)
                    ]
                )
            self._sized = size, images.to(self.device)
        return self._sized[1]

    def in_epoch(self, epoch: int, size: int, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of each batch, from `first_step` on: images and labels.

        Shuffled; with `balanced`, drawn with replacement so that all classes come equally often.
        What does not fill a batch is left for another epoch.
        """
        images = self.images(size)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        if self.balanced:
            weights = 1.0 / self.labels.bincount().clamp(min=1)[self.labels]
            count = len(self.labels)
            order = torch.multinomial(weights, count, replacement=True, generator=generator)
        else:
            order = torch.randperm(len(self.labels), generator=generator)
        for step in range(first_step, self.steps):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            mine = batch[self.rank :: self.world]
            yield images[mine.to(images.device)], self.labels[mine].to(self.device)

    def in_order(self, size: int, length: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of the whole split, in order: images and labels."""
        images = self.images(size)[self.rank :: self.world]
        labels = self.labels[self.rank :: self.world].to(self.device)
        yield from zip(images.split(length), labels.split(length), strict=True)
