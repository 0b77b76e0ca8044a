"""What a network is trained for: which labels it learns, and what its loss is."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from training.finer import finer_labels
from training.mixture import Mixture
from training.options import Options
from training.teachers import Teachers


class Objective:
    """The classes, and as a second task their finer labels, or what teachers say of the image.

    `labels` is int64 `[N]`, what the N images of the mixture are trained for, of `kinds` kinds;
    `outputs` is the number of classes. A network in training gives `width` logits: first those of
    the classes, then, for the second task, those of the finer labels. The result keeps the first.
    """

    def __init__(self, mixture: Mixture, options: Options, device: torch.device) -> None:
        """Read the teachers, and the finer labels off the names of the files.

        Raises:
            CheckpointError: a teacher cannot be read, or knows other classes.
            ArtifactError, PublishError: see `model_file`.
        """
        self.outputs, self.finer = mixture.outputs, options.finer
        self.label_smoothing = options.label_smoothing
        split = mixture.split
        self.labels, classes = split.labels, torch.arange(self.outputs)
        if self.finer:
            self.labels, classes = finer_labels(split.names, split.labels)
        self.kinds = len(classes)
        self.width = self.outputs + (self.kinds if self.finer else 0)
        self.classes = classes.to(device)
        self.shares = F.one_hot(self.classes, self.outputs).float()
        names = options.teacher_names
        self.teachers = Teachers(names, self.outputs, device) if names else None

    @property
    def guess(self) -> float:
        """The loss of knowing nothing, in nats."""
        return math.log(self.outputs) + self.finer * math.log(self.kinds)

    def loss(self, logits: Tensor, targets: Tensor, batch: Tensor) -> Tensor:
        """The mean loss.

        Args:
            logits: float `[N, width]`.
            targets: labels int64 `[N]`, or their shares in blended images, float `[N, kinds]`.
            batch: the images, float `[N, 3, S, S]`.
        """
        smoothing = self.label_smoothing
        if self.teachers is not None:
            of_class, smoothing = self.teachers.probabilities(batch), 0.0
        elif targets.ndim == 1:
            of_class = self.classes[targets]
        else:
            of_class = targets @ self.shares
        loss = F.cross_entropy(logits[:, : self.outputs], of_class, label_smoothing=smoothing)
        if self.finer:
            loss = loss + self.finer * F.cross_entropy(logits[:, self.outputs :], targets)
        return loss

    def right(self, logits: Tensor, labels: Tensor) -> int:
        """How many of the answers `[N, width]` name the class of the label `[N]`."""
        answers = logits[:, : self.outputs].argmax(dim=1)
        return int((answers == self.classes[labels]).sum())
