"""Which images a step sees, at which size: seeded by the epoch, shared among the processes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.loading import Split
from training.mixture import Mixture


class Images:
    """A split's images in memory, at the size that the epoch asks for."""

    def __init__(self, split: Split, rank: int, world: int, device: torch.device) -> None:
        """Hold `split` for process `rank` of `world`, its images on `device`."""
        self.split, self.rank, self.world, self.device = split, rank, world, device
        self._sized: tuple[int, Tensor] | None = None

    def sized(self, size: int) -> Tensor:
        """All images, uint8 `[N, 3, size, size]`, resized once; only the last size is kept."""
        if self._sized is None or self._sized[0] != size:
            self._sized = None  # before the next one is made: two would need twice the memory
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

    def in_order(self, size: int, length: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of the whole split, in order: images and labels."""
        images = self.sized(size)[self.rank :: self.world]
        labels = self.split.labels[self.rank :: self.world].to(self.device)
        yield from zip(images.split(length), labels.split(length), strict=True)


class Batches(Images):
    """A mixture cut into the batches of one process."""

    def __init__(
        self,
        mixture: Mixture,
        labels: Tensor,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        """Hold `mixture` for process `rank` of `world`; `batch_size` is over all processes.

        `labels` is int64 `[N]`, what its N images are trained for.
        """
        super().__init__(mixture.split, rank, world, torch.device(device))
        self.mixture, self.labels = mixture, labels
        self.batch_size, self.seed = batch_size, seed
        self.steps = max(1, int(mixture.draws.sum()) // batch_size)

    def in_epoch(
        self, epoch: int, size: int, first_step: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """This process's share of each batch, from `first_step` on: images, labels, strengths.

        What does not fill a batch is left for another epoch.
        """
        images, labels, strength = self.sized(size), self.labels, self.mixture.strength
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = self.mixture.order(generator)
        for step in range(first_step, self.steps):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            mine = batch[self.rank :: self.world]
            yield (
                images[mine.to(images.device)],
                labels[mine].to(self.device),
                strength[mine].to(self.device),
            )
