"""Make the artifact of a trained network: calibrate it, script it, prove it, describe it.

`train` does this at its end; the command does it again, with another version or after a run that
was ended early. The artifact is written only if it answers as the trained network does.

    python -m training export runs/first --data data/fashion-mnist --version 1.0.0

An artifact can be exported again as well, calibrated on other photos: its network stays the same,
and its confidences and limits become right for what it will see, without any training. What there
are too few photos for, it keeps.

    python -m training export model.pt --data data/ours --version 1.0.0-ours --output ours/model.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app.artifact import Artifact
from training import checkpoint
from training.card import Provenance, Recalibration
from training.command import output_file, version
from training.data.datasets import sources_of
from training.errors import CheckpointError, DataError
from training.exporting import export
from training.lineage import artifact_at, data_source, stored_sources
from training.orientation import stored_orientation
from training.releases.packed import model_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "run",
        help="folder of a training run, its checkpoint.pt, or an artifact: a model.pt, or a "
        "model.tar.gz; here or on S3",
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
    with model_file(str(arguments.run)) as arguments.run:
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
    sources = sources_of(arguments.data)
    data = [
        data_source(name, paths, "valid") for name, paths in sources.items() if "valid" in paths
    ]
    again = Recalibration(card, data, stored_orientation(artifact.path))
    export(network, sources, told, arguments.output, again)


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
        state.get("missing", []),  # earlier versions did not keep it
    )
    export(network, sources, told, arguments.output or folder / "model.pt")
