"""Make the artifact of a trained network: calibrate it, script it, prove it, describe it.

`train` does this at its end; the command does it again, with another version or after a run that
was ended early. The artifact is written only if it answers as the trained network does.

    python -m training export runs/first --data data/fashion-mnist --version 1.0.0
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from training import checkpoint, metrics
from training.calibrate import calibrate
from training.card import Provenance, model_card, sources_of
from training.datasets import Split, find_splits, load_split
from training.errors import DataError
from training.networks import GarmentModel, build_network, channels_last
from training.scripted import (
    check_parity,
    golden_images,
    round_to_float16,
    run_logits,
    save_artifact,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", type=Path, help="folder of a training run, or its checkpoint.pt")
    parser.add_argument("--data", type=Path, required=True, help="the prepared data of that run")
    parser.add_argument("--version", required=True, help="version of the artifact, such as 1.0.0")
    parser.add_argument("--output", type=Path, help="default: model.pt in the run's folder")


def run(arguments: argparse.Namespace) -> int:
    """Export the result of a run from its checkpoint."""
    state = checkpoint.load(arguments.run)
    hyperparameters = state["hyperparameters"]
    weights = checkpoint.result(state)
    network = build_network(hyperparameters["architecture"], checkpoint.outputs(weights))
    network.load_state_dict(weights)
    splits = find_splits(arguments.data)
    folder = arguments.run if arguments.run.is_dir() else arguments.run.parent
    told = Provenance(
        arguments.version,
        hyperparameters["architecture"],
        hyperparameters,
        state["command"],
        sources_of(splits),
    )
    export(network, splits, told, arguments.output or folder / "model.pt")
    return 0


def export(network: nn.Module, splits: Mapping[str, Path], told: Provenance, path: Path) -> None:
    """Write the artifact at `path` and print what its proof measured.

    Args:
        network: `[N, 3, S, S]` to logits; it is rounded to float16's precision in place.
        splits: the data of the run: `valid` calibrates, it and `test` are reported.
        told: what the card says of the run.
        path: of the artifact.

    Raises:
        ParityError: the artifact answers otherwise than the network; nothing is written.
        DataError: there is no valid split.
    """
    if "valid" not in splits:
        raise DataError("an artifact is calibrated on the 'valid' split, and there is none")
    loaded = {name: load_split(splits[name]) for name in ("valid", "test") if name in splits}
    network = channels_last(network.float().cpu().eval())
    round_to_float16(network)
    logits = {name: run_logits(network, split.images) for name, split in loaded.items()}
    valid = loaded["valid"]
    calibration = calibrate(logits["valid"], valid.labels)
    model = GarmentModel(network, calibration.temperature, logits["valid"].shape[1] > 10).eval()
    figures = {
        name: metrics.figures(model.calibrate(logits[name])[0].numpy(), split.labels.numpy())
        for name, split in loaded.items()
    }
    source = splits["valid"].parent.name
    card = model_card(
        told,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        calibration=calibration,
        figures={f"{source}/{name}": measured for name, measured in figures.items()},
        valid=figures["valid"],
    )
    golden = golden_images(model, _typical_images(model, logits["valid"], valid))
    candidate = path.with_suffix(".candidate")
    try:
        save_artifact(model, card, golden, candidate)
        said = check_parity(model, candidate, valid.images, logits["valid"])
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
    print(f"{path}, {path.stat().st_size / 1e6:.1f} MB: {said}", flush=True)
    for name, measured in card.figures.items():
        print(f"{name}: accuracy {measured.accuracy:.2%}, ECE {measured.ece:.3f}", flush=True)


def _typical_images(model: GarmentModel, logits: Tensor, valid: Split) -> list[Tensor]:
    """One image per category that is answered rightly and with little doubt."""
    probabilities = model.calibrate(logits)[0]
    chosen = []
    for label in range(probabilities.shape[1]):
        right = (valid.labels == label) & (probabilities.argmax(dim=1) == label)
        if right.any():
            chosen.append(valid.images[int((probabilities[:, label] * right).argmax())])
    return chosen or list(valid.images[:1])
