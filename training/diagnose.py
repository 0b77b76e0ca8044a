"""Watch a training run, and say what goes wrong with it and what to do.

This is what SageMaker Debugger's rules were used for, without a service: the training loop hands
over its numbers, `training/rules.py` judges them, and each finding is reported once an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from training import rules
from training.forward_sampler import ForwardSampler
from training.rules import RULES

__all__ = ["RULES", "Diagnosis", "Finding", "TrainingStopped"]

SAMPLE_EVERY = 50
"""Gradients and activations are looked at in one step of so many: far below 1 % of the time."""

MIN_IMAGES = 256
"""Activations are judged on at least so many images; a smaller epoch goes on into the next."""


@dataclass(frozen=True)
class Finding:
    """One rule that found something, at one step."""

    rule: str
    severity: Literal["warning", "stop"]
    message: str
    """What was seen, with the numbers."""
    advice: str
    """What to do about it."""
    step: int


class TrainingStopped(Exception):
    """A rule of severity `stop` found something."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.rule}: {finding.message} {finding.advice}")
        self.finding = finding


class Diagnosis:
    """The rules, applied to one network's training; see `RULES`.

    With several processes each has its own: all of them see NaN in the same step, because they
    share their gradients, so all of them stop.
    """

    def __init__(
        self,
        network: nn.Module,
        report: Callable[[Finding], None],
        *,
        stop: bool = True,
        fresh: bool = True,
        every: int = SAMPLE_EVERY,
    ) -> None:
        """Begin to watch; `close` ends it.

        Args:
            network: the network itself, not a DistributedDataParallel around it.
            report: called with each finding, before the run is stopped.
            stop: False turns the rules that stop the run into warnings.
            fresh: False for weights that another run has trained: their first loss may be as low
                as it likes, or as high on images that are new to them.
            every: look at gradients and activations in each step that this divides.
        """
        self._network, self._report, self._stop, self._every = network, report, stop, every
        self._fresh = fresh
        self._sampler = ForwardSampler(network)
        self._last = [item for item in network.parameters() if item.requires_grad][-1]
        self._step = 0
        self._guess: float | None = None
        self._history: list[rules.Epoch] = []
        self._reported: set[str] = set()

    def check_data(self, counts: dict[str, int], balanced: bool = False) -> None:
        """Before training: the images per class, and whether rare ones are drawn more often."""
        if not balanced:
            self._found("class_imbalance", rules.class_imbalance(counts))

    def check_start(self, loss: float, guess: float) -> None:
        """After the very first forward pass, with its loss and that of knowing nothing, in nats."""
        self._guess = guess
        if self._fresh and math.isfinite(loss):  # otherwise check_step has more to say
            variances = self._sampler.variances
            self._found("poor_initialisation", rules.poor_initialisation(loss, guess, variances))

    def check_step(self, step: int, loss: float) -> None:
        """After each backward pass, before the optimiser uses the gradients.

        Raises:
            TrainingStopped: the loss or a gradient is not finite.
        """
        self._step = step
        self._sampler.armed = (step + 1) % self._every == 0
        if not math.isfinite(loss):
            self._found("loss_not_finite", f"The loss is {loss}.", stop=True)
        elif not self._last_gradient_is_finite():
            message = f"The loss is {loss:.3f}, but gradients are NaN or infinite."
            self._found("loss_not_finite", message, stop=True)
        elif step % self._every == 0:
            self._check_gradients(loss)

    def check_epoch(
        self,
        epoch: int,
        train_loss: float,
        valid_loss: float,
        train_accuracy: float,
        valid_accuracy: float,
    ) -> None:
        """After each epoch (the first is 1) and its validation; accuracies are 0 to 1.

        Raises:
            TrainingStopped: a loss is not finite.
        """
        if not math.isfinite(train_loss + valid_loss):
            message = f"Epoch {epoch}: the loss on train is {train_loss}, on valid {valid_loss}."
            self._found("loss_not_finite", message, stop=True)
        if self._sampler.images >= MIN_IMAGES:
            dead = rules.dead_activations(self._sampler.dead(), self._sampler.images)
            self._found("dead_activations", dead)
            self._sampler.clear()
        numbers = (train_loss, valid_loss, train_accuracy, valid_accuracy)
        self._history.append(rules.Epoch(*numbers, steps=self._step + 1))
        still = rules.loss_not_decreasing(self._history, self._guess)
        self._found("loss_not_decreasing", still)
        self._found("overfitting", rules.overfitting(self._history))
        self._reported.clear()

    def close(self) -> None:
        """Stop watching: removes the hooks."""
        self._sampler.close()

    @property
    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on the same: plain values and tensors."""
        return {
            "step": self._step,
            "guess": self._guess,
            "history": [tuple(epoch) for epoch in self._history],
            "reported": sorted(self._reported),
            "armed": self._sampler.armed,
            "first_pass": self._sampler.first_pass,
            "active": {name: units.cpu() for name, units in self._sampler.active.items()},
            "images": self._sampler.images,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._step, self._guess = state["step"], state["guess"]
        self._history = [rules.Epoch(*epoch) for epoch in state["history"]]
        self._reported = set(state["reported"])
        self._sampler.armed, self._sampler.first_pass = state["armed"], state["first_pass"]
        self._sampler.active, self._sampler.images = dict(state["active"]), state["images"]

    def _found(self, rule: str, message: str | None, stop: bool = False) -> None:
        if message is None or rule in self._reported:
            return
        self._reported.add(rule)
        stop = stop and self._stop
        severity: Literal["warning", "stop"] = "stop" if stop else "warning"
        finding = Finding(rule, severity, message, rules.ADVICE[rule], self._step)
        self._report(finding)
        if stop:
            raise TrainingStopped(finding)

    def _last_gradient_is_finite(self) -> bool:
        """Cheap enough for each step: NaN in the loss comes through the last layer's bias."""
        gradient = self._last.grad
        return gradient is None or bool(gradient.isfinite().all())

    @torch.no_grad()
    def _check_gradients(self, loss: float) -> None:
        weights = {
            name: parameter
            for name, parameter in self._network.named_parameters()
            if parameter.ndim > 1 and parameter.grad is not None
        }
        if not weights:
            return
        norm = torch.linalg.vector_norm
        gradients = torch.stack([norm(item.grad) for item in weights.values()]).tolist()
        sizes = torch.stack([norm(item) for item in weights.values()]).tolist()
        broken = [
            name for name, size in zip(weights, gradients, strict=True) if not math.isfinite(size)
        ]
        if broken:
            message = f"The loss is {loss:.3f}, but the gradient of {broken[0]} is not finite."
            self._found("loss_not_finite", message, stop=True)
            return
        layers = [
            rules.LayerGradient(*item) for item in zip(weights, gradients, sizes, strict=True)
        ]
        self._found("gradients_vanishing", rules.gradients_vanishing(layers, loss))
        self._found("gradients_exploding", rules.gradients_exploding(layers))
