"""Several processes on one model, started by torchrun; one process needs none of this."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is, and its device."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """The first process writes files and prints."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with its gradients averaged over all processes."""
        return network if self.world == 1 else DistributedDataParallel(network)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, as a new tensor on the CPU."""
        total = values.detach().clone().to(self.device)
        if self.world > 1:
            dist.all_reduce(total)
        return total.cpu()

    def any(self, condition: bool) -> bool:
        """Whether it holds in any process; all of them get the same answer."""
        if self.world == 1:
            return condition
        return bool(self.sum(torch.tensor(float(condition))) > 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the other processes that torchrun started, if it did; nccl on GPUs, else gloo."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) if on_gpu else 0)
    if not on_gpu:
        device = torch.device("cpu")
    else:
        torch.cuda.set_device(device)
    if world == 1:
        yield Processes(rank, world, device)
        return
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes(rank, world, device)
    finally:
        dist.destroy_process_group()
