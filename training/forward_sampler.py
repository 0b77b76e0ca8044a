"""Look at what happens inside a network during chosen forward passes of its training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils.hooks import RemovableHandle


class ForwardSampler:
    """Notes which ReLU units are ever positive, and at the first pass the outputs' variances.

    It acts on the next forward pass in training mode while `armed`, then disarms itself. Its hooks
    are on the network only during that pass: hooks that stay would be copied along by
    `AveragedModel`, and TorchScript would try to compile them. What notices the pass are two hooks
    on all modules, which cost microseconds; `close` removes them.

    A unit is a channel of a convolution or an output of a linear layer. Only `nn.ReLU` modules are
    seen; one that is used twice in a pass counts as two layers.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.armed = True
        self.first_pass = True
        self.active: dict[str, Tensor] = {}  # bool [units]: ever positive since `clear`
        self.images = 0
        self._variances: dict[str, Tensor] = {}
        self._inside: list[RemovableHandle] = []
        self._handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    @property
    def variances(self) -> dict[str, float]:
        """Of the first pass: each convolution's and linear layer's output variance, in order."""
        return {name: variance.item() for name, variance in self._variances.items()}

    def dead(self) -> dict[str, tuple[int, int]]:
        """Per ReLU layer: the units that were never positive, and all its units."""
        return {
            name: (units.numel() - int(units.sum()), units.numel())
            for name, units in self.active.items()
        }

    def clear(self) -> None:
        """Forget the activations seen so far."""
        self.active, self.images = {}, 0

    def close(self) -> None:
        """Remove all hooks."""
        for handle in (*self._handles, *self._inside):
            handle.remove()

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if module is not self.network or not (self.armed and module.training):
            return
        self.images += len(inputs[0])
        calls: Counter[str] = Counter()
        for name, part in module.named_modules():
            if isinstance(part, nn.ReLU):
                self._inside.append(part.register_forward_hook(self._see_activation(name, calls)))
            elif self.first_pass and isinstance(part, nn.Conv2d | nn.Linear):
                self._inside.append(part.register_forward_hook(self._see_output(name)))

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG002
        if module is self.network and self._inside:
            for handle in self._inside:
                handle.remove()
            self._inside, self.armed, self.first_pass = [], False, False

    def _see_activation(self, name: str, calls: Counter[str]) -> Callable[..., None]:
        @torch.no_grad()
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            calls[name] += 1
            layer = name if calls[name] == 1 else f"{name} (use {calls[name]})"
            others = [0, *range(2, output.ndim)]
            active = output.amax(dim=others) > 0
            if layer in self.active:
                active |= self.active[layer].to(active.device)
            self.active[layer] = active

        return hook

    def _see_output(self, name: str) -> Callable[..., None]:
        @torch.no_grad()
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self._variances[name] = output.float().var()

        return hook
