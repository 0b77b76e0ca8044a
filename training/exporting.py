"""Make the artifact of a trained network: calibrate it, script it, prove it, describe it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from app.card import BACKGROUNDS, CATEGORIES
from training import checkpoint
from training.calibrate import MIN_IMAGES, calibrate, support
from training.card import KEPT, Provenance, Recalibration, model_card
from training.command import writable
from training.data.loading import Split, load_split
from training.errors import DataError, TrainingError
from training.garment_model import GarmentModel
from training.measurement import metrics
from training.measurement.limits import Answers
from training.networks import channels_last, normalise
from training.orientation import DIVERGED, fit_orientation, upright_logits
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

TURNED_IMAGES = 2000
"""Of each source's train split, to learn on which way up an image is."""


def export(
    network: nn.Module,
    sources: Mapping[str, Mapping[str, Path]],
    told: Provenance,
    path: Path,
    again: Recalibration | None = None,
) -> None:
    """Write the artifact at `path` and print what its proof measured.

    Args:
        network: `[N, 3, S, S]` to logits; it is rounded to float16's precision in place.
        sources: the data of the run, by source and split: the `valid` splits calibrate, they and
            the `test` splits are reported.
        told: what the card says of the run.
        path: of the artifact.
        again: where the network is that of an artifact: what the data says too little about is
            kept of that.

    Raises:
        ParityError: the artifact answers otherwise than the network; nothing is written.
        DataError: there is no valid split, or none with an image of the ten categories.
        TrainingError: the network's answers are not numbers.
        OSError: nothing can be written there.
    """
    writable(path.parent)
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
    outputs = checkpoint.outputs(network.state_dict())
    model = GarmentModel(network, rejects=outputs > len(CATEGORIES)).eval()
    round_to_float16(model)
    model.orientation = _orientation(model, sources, told, again)
    round_to_float16(model)
    as_they_are = {name: run_logits(model.logits, split.images) for name, split in loaded.items()}
    if not all(part.isfinite().all() for part in as_they_are.values()):
        raise TrainingError(DIVERGED)
    run = functools.partial(run_logits, model.logits)
    logits = {}
    for name, split in loaded.items():
        those = as_they_are[name]
        if model.orientation is not None:
            those = upright_logits(split.images, those, run)
        logits[name] = those[:, :outputs]
    backgrounds = {name: _backgrounds(model, split.images) for name, split in loaded.items()}

    def joined(parts: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([parts[name] for name in valid])

    labels = torch.cat([split.labels for split in valid.values()])
    before = again.before.calibration if again else None
    calibration = calibrate(joined(logits), labels, joined(backgrounds), before)
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
        support=support(labels, joined(backgrounds)),
        can_turn=model.orientation is not None,
        again=again,
    )
    images = torch.cat([split.images for split in valid.values()])
    golden = golden_images(model, _typical_images(answers, valid))
    candidate = path.with_name(f"{path.name}.candidate")
    try:
        save_artifact(model, card, golden, candidate, layer_ranges(network, _some(valid)))
        said = check_parity(model, candidate, images, joined(as_they_are))
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
    print(f"{path}, {path.stat().st_size / 1e6:.1f} MB: {said}", flush=True)
    for name, measured in card.figures.items():
        print(f"{name}: accuracy {measured.accuracy:.2%}, ECE {measured.ece:.3f}", flush=True)
    for name in sorted(loaded.keys() - figures.keys()):
        print(f"{name}: no image of the ten categories, so it has no figures", flush=True)
    for line in filter(lambda text: KEPT in text, card.limitations):
        print(line, flush=True)


def _orientation(
    model: GarmentModel,
    sources: Mapping[str, Mapping[str, Path]],
    told: Provenance,
    again: Recalibration | None,
) -> nn.Linear | None:
    """What tells turned images: that of the artifact, or a new one; None without data for it."""
    if again is not None and again.orientation is not None:
        return again.orientation
    splits = [paths["train"] for paths in sources.values() if "train" in paths]
    if told.architecture != "resnet18" or not splits:
        return None
    some = [load_split(path, most=TURNED_IMAGES) for path in splits]
    garments = torch.cat([split.images[split.labels < len(CATEGORIES)] for split in some])
    if len(garments) < MIN_IMAGES:
        return None
    return fit_orientation(model, garments)


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
