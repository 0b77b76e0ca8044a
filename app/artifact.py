"""The artifact: what training hands to serving.

With the card inside it (`card.py`), and what lies beside it in a release (`release.py`), it is what
the two have agreed on. It is one TorchScript file with the methods of
`training.garment_model.GarmentModel` (`preprocess`, `logits`, `forward` and others) and extra files
inside its archive: the model card, the golden images, and what an engine needs that computes in 8
bits. This module reads and verifies them without importing torch, so the proxy can use it too; only
`load_module` needs it.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Base64Bytes, Field, ValidationError

from app.card import ModelCard, Probability, Strict
from app.release import MODEL_FILE, sha256_of

if TYPE_CHECKING:
    import torch

GOLDEN_TOLERANCE = 0.02
"""Largest difference to a golden image's probabilities, for engines in any precision."""

CARD_FILE = "model_card.json"
GOLDEN_FILE = "golden.json"
RANGES_FILE = "ranges.json"

Precision = Literal["float32", "bfloat16"]


class ArtifactError(Exception):
    """The file is not an artifact of this service, or not the one that was asked for."""


class Golden(Strict):
    """An image whose answer is known: an engine that answers otherwise is not used.

    `probabilities` are those of the float32 model at export; an engine in another precision has
    to give the same class, and each probability within `GOLDEN_TOLERANCE`.
    """

    png: Base64Bytes
    label: str
    probabilities: list[Probability] = Field(min_length=10, max_length=10)


class LayerRange(Strict):
    """What a layer of the network gets, for engines that compute in 8 bits."""

    name: str = Field(description="As torchvision has it, such as `layer1.0.conv2`.")
    low: float = Field(description="The least value of its input on the calibration images.")
    high: float = Field(description="The largest.")


class _RangesFile(Strict):
    layers: list[LayerRange]


class _GoldenFile(Strict):
    images: list[Golden] = Field(min_length=1)


class Artifact(Strict):
    """A verified artifact on disk."""

    path: Path
    sha256: str
    card: ModelCard
    golden: list[Golden]
    ranges: list[LayerRange] | None = None
    """Of the network's layers; None in artifacts made before."""


def ranges_json(layers: list[LayerRange]) -> str:
    """The layers' ranges as the text of the artifact's extra file."""
    return _RangesFile(layers=layers).model_dump_json()


def golden_json(images: list[Golden]) -> str:
    """The golden images as the text of the artifact's extra file."""
    return _GoldenFile(images=images).model_dump_json()


def open_artifact(
    path: Path, expected_sha256: str | None = None, name: str | None = None
) -> Artifact:
    """Read and verify the artifact at `path` without running any of it.

    Args:
        path: of the file.
        expected_sha256: what its SHA-256 has to be.
        name: what errors call it, if not by its path.

    Raises:
        ArtifactError: the file is missing, is no artifact, or its SHA-256 is another one.
    """
    name = name or str(path)
    try:
        sha256 = sha256_of(path)
        if expected_sha256 is not None and sha256 != expected_sha256:
            raise ArtifactError(
                f"{name}: its SHA-256 is {sha256}, expected {expected_sha256}; fetch it again"
            )
        with zipfile.ZipFile(path) as archive:
            card = ModelCard.model_validate_json(_extra_file(archive, CARD_FILE, name))
            golden_file = _GoldenFile.model_validate_json(_extra_file(archive, GOLDEN_FILE, name))
            layers = _found(archive, RANGES_FILE)
            ranges = _RangesFile.model_validate_json(layers).layers if layers is not None else None
    except IsADirectoryError as error:
        raise ArtifactError(f"{name} is a folder: name the file in it, {MODEL_FILE}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{name}: cannot be read as an artifact: {error}") from error
    except ValidationError as error:
        raise ArtifactError(f"{name}: not an artifact of this version: {error}") from error
    return Artifact(path=path, sha256=sha256, card=card, golden=golden_file.images, ranges=ranges)


def load_module(path: Path, precision: Precision) -> torch.jit.ScriptModule:
    """Load the artifact's module, frozen, ready for `torch.inference_mode()`.

    Its weights are stored as float16, half the size; they are computed with in `precision`.
    `logits` takes its batch in that precision; `forward` is for float32 alone.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.jit.freeze.html
    """
    import torch

    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    module = torch.jit.load(path, map_location="cpu").eval()
    module = module.to(dtype=dtype, memory_format=torch.channels_last)
    frozen: torch.jit.ScriptModule = torch.jit.freeze(
        module,
        preserved_attrs=["preprocess", "backgrounds", "logits", "calibrate", "explain", "seen"],
    )
    return frozen


def _extra_file(archive: zipfile.ZipFile, file: str, name: str) -> bytes:
    content = _found(archive, file)
    if content is None:
        raise ArtifactError(f"{name}: holds no {file}, so it is not an artifact")
    return content


def _found(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """The extra file of that name, if there is one."""
    for member in archive.namelist():
        if member.endswith(f"/extra/{name}"):
            return archive.read(member)
    return None
