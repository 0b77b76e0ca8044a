"""A model whose evidence is where it was put: red speaks for class 0, blue for class 1."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from app.artifact import Artifact, open_artifact
from tests.cards import make_card
from training.garment_model import GarmentModel
from training.scripted import golden_images, save_artifact

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SpotNetwork(nn.Module):
    """ResNet's steps of stride, without its weights: class 0 is red, class 1 blue."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 2, 7, stride=2, padding=3)
        self.bn1, self.relu = nn.Identity(), nn.ReLU()
        self.maxpool, self.layer1 = self.shrink(), nn.Identity()
        self.layer2, self.layer3, self.layer4 = self.shrink(), self.shrink(), self.shrink()
        self.fc = nn.Linear(2, 10, bias=False)
        with torch.no_grad():
            self.conv1.weight.zero_()
            for feature, (ours, other) in enumerate(((0, 2), (2, 0))):
                # One colour without the other, from 0 to 1: what `normalise` did is undone.
                self.conv1.weight[feature, ours, 3, 3] = STD[ours]
                self.conv1.weight[feature, other, 3, 3] = -STD[other]
                # A little less, so that bfloat16 makes no evidence of grey.
                self.conv1.bias[feature] = MEAN[ours] - MEAN[other] - 0.05
            self.fc.weight.zero_()
            self.fc.weight[0, 0] = self.fc.weight[1, 1] = 100

    @staticmethod
    def shrink() -> nn.Module:
        """To half the size, each place from its neighbours as 1:2:1, so that peaks stay peaks."""
        weights = torch.tensor([1.0, 2.0, 1.0])
        layer = nn.Conv2d(2, 2, 3, stride=2, padding=1, bias=False, groups=2)
        layer.weight = nn.Parameter((weights[:, None] * weights / 16).expand(2, 1, 3, 3).clone())
        return layer

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        batch = self.maxpool(self.relu(self.bn1(self.conv1(batch))))
        batch = self.layer4(self.layer3(self.layer2(self.layer1(batch))))
        return self.fc(batch.mean(dim=[2, 3]))


def save_spot_model(path: Path) -> Artifact:
    model = GarmentModel(SpotNetwork()).eval()
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None].expand(3, 8, 8)
    golden = golden_images(model, [red])
    save_artifact(model, make_card(), golden, path)
    return open_artifact(path)


def spotted(red: tuple[int, int], blue: tuple[int, int], edge: int = 112) -> np.ndarray:
    """Black, with a red and a blue spot around two (row, column)."""
    image = np.zeros((edge, edge, 3), np.uint8)
    for (row, column), channel in ((red, 0), (blue, 2)):
        image[row - 3 : row + 4, column - 3 : column + 4, channel] = 255
    return image
