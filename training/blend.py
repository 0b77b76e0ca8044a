"""Blending pairs of images and of their labels within a batch, by torchvision's own transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from training.torchvision_cpu import torchvision as _torchvision  # noqa: F401  # mends its import

# isort: split
from torchvision.transforms import v2

Mix = Literal["none", "mixup", "cutmix", "both"]

Blend = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def make_blend(mix: Mix, outputs: int) -> Blend:
    """What turns float images `[N, 3, S, S]` and class ids `[N]` into images and targets.

    Targets are the ids as they are, or shares of the classes `[N, outputs]`. Random numbers come
    from torch's own generator. Sources: Zhang et al., "mixup", 2018; Yun et al., "CutMix", 2019.
    """
    if mix == "none":
        return lambda images, labels: (images, labels)
    # Stronger mixing is for runs of hundreds of epochs.
    mixup = v2.MixUp(alpha=0.2, num_classes=outputs)
    cutmix = v2.CutMix(alpha=1.0, num_classes=outputs)
    if mix == "both":  # a third of the batches each, and a third as they are
        return v2.RandomChoice([v2.Identity(), mixup, cutmix])  # type: ignore[no-any-return]
    return mixup if mix == "mixup" else cutmix  # type: ignore[no-any-return]
