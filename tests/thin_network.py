"""A ResNet18 with a fortieth of its weights, for tests of what is done with a network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from training.torchvision_cpu import torchvision

MIDDLE = 16
"""Channels inside of each block."""


class ThinBlock(nn.Module):
    """In and out as torchvision's BasicBlock; between, all goes through a few channels."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        *_: Any,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, MIDDLE, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(MIDDLE)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(MIDDLE, planes, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """As BasicBlock's."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def thin_resnet18(outputs: int = 1000) -> nn.Module:
    """The names and the shapes of the maps between stages are those of ResNet18."""
    return torchvision.models.ResNet(ThinBlock, [1, 1, 1, 1], num_classes=outputs)
