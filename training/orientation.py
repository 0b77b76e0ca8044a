"""Which way up a photo is: a layer beside that of the classes, and what is made of it.

Phones note in EXIF how they were held, and much software drops that: the photo then lies on a side
or on its head, where a network trained on upright ones is wrong more often than right. What it has
learnt tells the four ways up apart all the same. So a linear layer on the frozen network is fitted
at export, on the images that it was trained on, turned.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from tqdm import tqdm

from app.upright import WAYS, is_better, turns_upright
from training.errors import TrainingError
from training.garment_model import LAYOUT, GarmentModel
from training.networks import normalise

INVERSE_REGULARISATION = 0.01
"""scikit-learn's C."""

DIVERGED = (
    "the network's answers are not numbers: the run has diverged. Lower --learning-rate and start "
    "again"
)

MAX_STEPS = 100
"""Of the fit. It has not wholly converged then, and is no better on valid afterwards."""


def fit_orientation(model: GarmentModel, images: Tensor) -> nn.Linear:
    """The layer that `GarmentModel` takes as its `orientation`, with a progress bar.

    Args:
        model: of ResNet18, in float32.
        images: uint8 `[N, 3, S, S]`, upright garments that the network was trained on.

    Raises:
        TrainingError: what the network gives is not finite.
    """
    layouts, ways = [], []
    with torch.inference_mode():
        for part in tqdm(images.split(32), "fitting which way up", disable=None):
            for way in range(WAYS):
                layouts.append(model.layout(normalise(torch.rot90(part, way, [2, 3]))))
                ways.append(torch.full((len(part),), way))
    features = torch.cat(layouts)
    if not features.isfinite().all():
        raise TrainingError(DIVERGED)
    scaler = StandardScaler(copy=False)
    scaled = scaler.fit_transform(features.numpy())
    regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(scaled, torch.cat(ways).numpy())
    weight = regression.coef_ / scaler.scale_
    layer = nn.Linear(LAYOUT, WAYS)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(regression.intercept_ - weight @ scaler.mean_))
    return layer


def stored_orientation(path: Path) -> nn.Linear | None:
    """The layer of an artifact, if it has one."""
    weights = torch.jit.load(path, map_location="cpu").state_dict()
    if "orientation.weight" not in weights:
        return None
    layer = nn.Linear(LAYOUT, WAYS)
    layer.load_state_dict({name: weights[f"orientation.{name}"] for name in ("weight", "bias")})
    return layer


def upright_logits(images: Tensor, logits: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
    """The logits of images, those that lie on a side or on their head turned before.

    As serving does it; see `app.predictors.judging.run_upright`.

    Args:
        images: uint8 `[N, 3, S, S]`.
        logits: float `[N, C]`, of the images as they are; the last four of the ways up.
        run: gives the logits of images.
    """
    ways = logits[:, -WAYS:].tolist()
    turns = [turns_upright(row) for row in ways]
    places = [place for place, quarters in enumerate(turns) if quarters]
    if not places:
        return logits
    again = run(torch.stack([torch.rot90(images[at], -turns[at], [1, 2]) for at in places]))
    logits = logits.clone()
    for place, row in zip(places, again, strict=True):
        if is_better(turns[place], ways[place], row[-WAYS:].tolist()):
            logits[place] = row
    return logits
