"""Trained networks whose answers another one learns from.

The mean answer of several networks is better, and knows better how sure it may be, than that of
each, and one network can learn a good part of it. Source: Hinton et al., "Distilling the Knowledge
in a Neural Network", 2015; seeing the very views that the student sees, as Beyer et al.,
"Knowledge distillation: A good teacher is patient and consistent", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training import checkpoint
from training.errors import CheckpointError
from training.networks import channels_last
from training.releases.packed import model_file


class Teachers:
    """What the teachers say of a batch, in the mean."""

    def __init__(self, names: Sequence[str], outputs: int, device: torch.device) -> None:
        """Read runs or artifacts, here or on S3.

        Raises:
            CheckpointError: one is neither, or does not have so many outputs.
            ArtifactError, PublishError: see `model_file`.
        """
        self.networks: list[nn.Module] = []
        for name in names:
            with model_file(name) as path:
                weights = checkpoint.weights_of(path)
            theirs = checkpoint.outputs(weights)
            if theirs != outputs:
                raise CheckpointError(
                    f"{name} has {theirs} outputs and this run {outputs}: a teacher has to know "
                    "the same classes"
                )
            network = checkpoint.network_of(weights).to(device).eval()
            self.networks.append(channels_last(network))

    @torch.no_grad()
    def probabilities(self, batch: Tensor) -> Tensor:
        """Float `[N, 3, S, S]` to float32 `[N, outputs]`."""
        answers = [network(batch).float().softmax(dim=1) for network in self.networks]
        return torch.stack(answers).mean(dim=0)
