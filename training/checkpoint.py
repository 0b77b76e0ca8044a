"""Checkpoints: written whole or not at all, and only resumed by the run that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.errors import CheckpointError
from training.networks import Architecture, build_network
from training.releases.packed import model_file
from training.whole_files import written_whole

FILE = "checkpoint.pt"
LAST_LAYERS = ("fc.", "classifier.6.")
"""How the names of the last layers of ResNet18 and VGG-16 begin."""


def save(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` as the folder's checkpoint: a crash in between leaves the last one."""
    path = folder / FILE
    with written_whole(path) as file:
        torch.save(state, file)
    return path


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint, or the one in a folder.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    path = path / FILE if path.is_dir() else path
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no checkpoint there") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # torch.load raises whatever pickle and zip do, with bad advice
        raise CheckpointError(f"{path}: cannot be read: no checkpoint, or a damaged one") from error
    if not isinstance(state, dict) or "hyperparameters" not in state:
        raise CheckpointError(f"{path}: not a checkpoint of this project")
    return state


def check_unused(folder: Path, flag: str) -> None:
    """A new run writes no checkpoint over that of another, whether it has ended or not.

    Args:
        folder: for the checkpoint.
        flag: which names another one.

    Raises:
        CheckpointError: there is a checkpoint.
    """
    if (folder / FILE).exists():
        raise CheckpointError(
            f"{folder} holds the checkpoint of another run: --resume goes on with it; or name "
            f"another {flag}"
        )


def check_same_run(path: Path, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """A run is resumed with the hyperparameters and the data that it began with.

    Raises:
        CheckpointError: naming each one that differs.
    """
    differing = [
        f"{name} was {theirs.get(name)!r} and is {ours.get(name)!r}"
        for name in sorted({*theirs, *ours})
        if theirs.get(name) != ours.get(name)
    ]
    if differing:
        raise CheckpointError(
            f"{path} was written by another run: {'; '.join(differing)}. Give the same flags, or "
            "another --output"
        )
    order = list(theirs.get("data", {}))
    if order != list(ours.get("data", {})):
        raise CheckpointError(
            f"{path} was written by a run whose sources had another order: give --data as before, "
            f"{', '.join(order)}"
        )


def result(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights that a run gives: of the best epoch where it stops early, else the average.

    The last layer has the classes alone, and not what a second task of the training had there.
    """
    prefix = "module."
    weights = state["best"]["network"] or {
        name.removeprefix(prefix): value
        for name, value in state["average"].items()
        if name.startswith(prefix)
    }
    outputs = state.get("outputs")
    return {
        name: value[:outputs] if name.startswith(LAST_LAYERS) else value
        for name, value in weights.items()
    }


def network_of(weights: dict[str, torch.Tensor]) -> nn.Module:
    """The network that has these weights, as `result` and `weights_of` give them."""
    architecture: Architecture = "resnet18" if "fc.weight" in weights else "vgg16"
    network = build_network(architecture, outputs(weights))
    network.load_state_dict(weights)
    return network


def start_from(network: nn.Module, name: str, outputs: int) -> int:
    """Give a network what another run or an artifact holds.

    A network that has more than the other keeps its own for those, such as `other`; where it has
    fewer, the other's last ones are left out.

    Args:
        network: as `build_network` makes it.
        name: of the run or the artifact, here or on S3.
        outputs: how many of the network's outputs are classes; they come first.

    Returns:
        How many of the other's outputs are left out.

    Raises:
        CheckpointError: there is no such run or artifact, or it has another network.
        ArtifactError, PublishError: see `model_file`.
    """
    with model_file(name) as path:
        weights = weights_of(path)
    left_out = 0
    for layer, own in network.state_dict().items():
        value = weights.get(layer)
        is_last = layer.startswith(LAST_LAYERS)
        if value is None or value.shape[is_last:] != own.shape[is_last:]:
            raise CheckpointError(f"{name}: this is the result of another network")
        if is_last:
            rows = min(len(value), outputs)
            own[:rows] = value[:rows]
            left_out = len(value) - rows
        else:
            own.copy_(value)
    return left_out


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a run (its folder, or its checkpoint) or of an artifact.

    Raises:
        CheckpointError: it is none of these.
    """
    if path.is_dir():
        return result(load(path))
    try:
        artifact = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError):  # no TorchScript, or no file
        return result(load(path))
    prefix = "network."
    return {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in artifact.state_dict().items()
        if name.startswith(prefix)
    }


def outputs(weights: dict[str, torch.Tensor]) -> int:
    """How many outputs the network of these weights has: the length of its last bias."""
    return len(next(reversed([value for name, value in weights.items() if "bias" in name])))
