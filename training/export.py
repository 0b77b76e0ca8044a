"""Make the artifact of a trained network: calibrate it, script it, prove it, describe it.

`train` does this at its end; the command does it again, with another version or after a run that
was ended early. The artifact is written only if it answers as the trained network does.

    python -m training export runs/first --data data/fashion-mnist --version 1.0.0

An artifact can be exported again as well, calibrated on other photos: its network stays the same,
and its confidences and limits become right for what it will see, without any training.

    python -m training export model.pt --data data/ours --version 1.0.0-ours --output ours/model.pt
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from app.artifact import BACKGROUNDS, CATEGORIES, Artifact
from training import checkpoint, metrics
from training.calibrate import calibrate
from training.card import Provenance, model_card
from training.command import output_file, version
from training.datasets import Split, load_split, sources_of
from training.errors import CheckpointError, DataError
from training.lineage import artifact_at, data_source, stored_sources
from training.metrics import Answers
from training.networks import GarmentModel, channels_last, normalise
from training.scripted import (
    check_parity,
    golden_images,
    layer_ranges,
    round_to_float16,
    run_logits,
    save_artifact,
)

RANGE_IMAGES = 300
"""Of each source, to find the ranges in which the layers compute: more widen them hardly."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "run", type=Path, help="folder of a training run, its checkpoint.pt, or an artifact"
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="prepared data, of that run, or for an artifact any; repeat it for each source",
    )
    parser.add_argument(
        "--version", type=version, required=True, help="version of the artifact, such as 1.0.0"
    )
    parser.add_argument(
        "--output",
        type=output_file,
        help="file to write; default: model.pt in the run's folder; an artifact has none",
    )


def run(arguments: argparse.Namespace) -> int:
    """Export the result of a run from its checkpoint, or an artifact once more."""
    artifact = artifact_at(arguments.run)
    if artifact is not None:
        _export_again(artifact, arguments)
    else:
        _export_run(arguments)
    return 0


def _export_again(artifact: Artifact, arguments: argparse.Namespace) -> None:
    if arguments.output is None:
        raise DataError("--output is missing: where to write what is made of an artifact")
    network = checkpoint.network_of(checkpoint.weights_of(artifact.path))
    card = artifact.card
    told = Provenance(
        arguments.version, card.architecture, card.hyperparameters, card.command, card.sources
    )
    export(network, sources_of(arguments.data), told, arguments.output)


def _export_run(arguments: argparse.Namespace) -> None:
    state = checkpoint.load(arguments.run)
    hyperparameters = state["hyperparameters"]
    network = checkpoint.network_of(checkpoint.result(state))
    sources = sources_of(arguments.data)
    made_of = [data_source(name, splits) for name, splits in sources.items()]
    trained_on, given = state.get("data"), [source.images for source in made_of]
    # By their sizes: names are those of channels where a job on SageMaker has trained.
    if trained_on is not None and sorted(trained_on.values()) != sorted(given):
        raise CheckpointError(
            f"{arguments.run} was trained on {trained_on} images, and --data has {given}: give the "
            "data of that run"
        )
    folder = arguments.run if arguments.run.is_dir() else arguments.run.parent
    stored = stored_sources(state)  # also those of the model that the run started from
    told = Provenance(
        arguments.version,
        hyperparameters["architecture"],
        hyperparameters,
        state["command"],
        made_of if stored is None else stored,
    )
    export(network, sources, told, arguments.output or folder / "model.pt")


def export(
    network: nn.Module, sources: Mapping[str, Mapping[str, Path]], told: Provenance, path: Path
) -> None:
    """Write the artifact at `path` and print what its proof measured.

    Args:
        network: `[N, 3, S, S]` to logits; it is rounded to float16's precision in place.
        sources: the data of the run, by source and split: the `valid` splits calibrate, they and
            the `test` splits are reported.
        told: what the card says of the run.
        path: of the artifact.

    Raises:
        ParityError: the artifact answers otherwise than the network; nothing is written.
        DataError: there is no valid split, or none with an image of the ten categories.
    """
    loaded = {
        f"{name}/{split}": load_split(paths[split])
        for name, paths in sources.items()
        for split in ("valid", "test")
        if split in paths
    }
    valid = {name: split for name, split in loaded.items() if name.endswith("/valid")}
    if not valid:
        raise DataError("an artifact is calibrated on the 'valid' splits, and there is none")
    if not any(split.has_garments for split in valid.values()):
        raise DataError("no 'valid' split has an image of the ten categories to calibrate on")
    network = channels_last(network.float().cpu().eval())
    round_to_float16(network)
    logits = {name: run_logits(network, split.images) for name, split in loaded.items()}
    rejects = next(iter(logits.values())).shape[1] > len(CATEGORIES)
    model = GarmentModel(network, rejects).eval()
    backgrounds = {name: _backgrounds(model, split.images) for name, split in loaded.items()}

    def joined(parts: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([parts[name] for name in valid])

    labels = torch.cat([split.labels for split in valid.values()])
    calibration = calibrate(joined(logits), labels, joined(backgrounds))
    model.temperatures = [calibration[kind].temperature for kind in BACKGROUNDS]
    model.garment_temperatures = [calibration[kind].garment_temperature for kind in BACKGROUNDS]
    answers = {name: _answers(model, logits[name], backgrounds[name]) for name in loaded}
    figures = {
        name: metrics.figures(answers[name], split.labels.numpy(), calibration)
        for name, split in loaded.items()
        if split.has_garments  # others have helped to calibrate
    }
    card = model_card(
        told,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        calibration=calibration,
        figures=figures,
        others=int((labels == len(CATEGORIES)).sum()),
    )
    images = torch.cat([split.images for split in valid.values()])
    golden = golden_images(model, _typical_images(answers, valid))
    candidate = path.with_suffix(".candidate")
    try:
        save_artifact(model, card, golden, candidate, layer_ranges(network, _some(valid)))
        said = check_parity(model, candidate, images, joined(logits))
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
    print(f"{path}, {path.stat().st_size / 1e6:.1f} MB: {said}", flush=True)
    for name, measured in card.figures.items():
        print(f"{name}: accuracy {measured.accuracy:.2%}, ECE {measured.ece:.3f}", flush=True)
    for name in sorted(loaded.keys() - figures.keys()):
        print(f"{name}: no image of the ten categories, so it has no figures", flush=True)


def _some(valid: Mapping[str, Split]) -> Tensor:
    """Up to `RANGE_IMAGES` images of each split, evenly spread over it."""
    parts = [
        split.images[:: max(1, len(split) // RANGE_IMAGES)][:RANGE_IMAGES]
        for split in valid.values()
    ]
    return torch.cat(parts)


def _backgrounds(model: GarmentModel, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model.backgrounds(normalise(part)) for part in images.split(512)])


def _answers(model: GarmentModel, logits: Tensor, backgrounds: Tensor) -> Answers:
    probabilities, garment = model.calibrate(logits, backgrounds)
    return Answers(probabilities.numpy(), garment.numpy(), backgrounds.numpy())


def _typical_images(answers: Mapping[str, Answers], valid: Mapping[str, Split]) -> list[Tensor]:
    """One image per category and source that is answered rightly and with little doubt."""
    chosen = []
    for name, split in valid.items():
        probabilities = torch.from_numpy(answers[name].probabilities)
        for label in range(len(CATEGORIES)):
            right = (split.labels == label) & (probabilities.argmax(dim=1) == label)
            if right.any():
                chosen.append(split.images[int((probabilities[:, label] * right).argmax())])
    return chosen or [next(iter(valid.values())).images[0]]
