"""How weights are updated: the optimiser, the learning rate over time, the averaged weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.options import Options


def make_optimizer(network: nn.Module, options: Options) -> torch.optim.Optimizer:
    """SGD or AdamW; biases and normalisation are not decayed."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if options.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=options.learning_rate)
    return torch.optim.SGD(
        groups, lr=options.learning_rate, momentum=options.momentum, nesterov=options.momentum > 0
    )


def one_cycle(progress: float, warmup: float) -> float:
    """The factor of the learning rate at `progress` 0 to 1: up in a line, down in a cosine.

    Source: Smith and Topin, "Super-Convergence", 2018.
    """
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (progress - warmup) / (1 - warmup))


def make_average(network: nn.Module) -> AveragedModel:
    """The exponential moving average of a network's weights and of its running statistics."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.0), use_buffers=True)


def update_average(average: AveragedModel, network: nn.Module, decay: float, step: int) -> None:
    """Follow the weights: at once in the beginning, as slowly as `decay` says later."""
    average.multi_avg_fn = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
    average.update_parameters(network)
