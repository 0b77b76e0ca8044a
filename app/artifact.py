"""The artifact: what training hands to serving, and the only thing that the two share.

An artifact is one TorchScript file with the methods of `training.networks.GarmentModel`
(`preprocess`, `logits`, `forward` and others) and extra files inside its archive: the model card,
the golden images, and what an engine needs that computes in 8 bits. This module reads and verifies
them without importing torch, so the proxy can use it too; only `load_module` needs it.
"""

from __future__ import annotations

import hashlib
import zipfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

if TYPE_CHECKING:
    import torch

CATEGORIES: tuple[str, ...] = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Fashion-MNIST's ten categories; the position is the class id."""

CATEGORY_COUNT = len(CATEGORIES)

GOLDEN_TOLERANCE = 0.02
"""Largest difference to a golden image's probabilities, for engines in any precision."""

CARD_FILE = "model_card.json"
GOLDEN_FILE = "golden.json"
RANGES_FILE = "ranges.json"

MODEL_FILE = "model.pt"
ARCHIVE_FILE = "model.tar.gz"
MANIFEST_FILE = "manifest.json"
LATEST_FILE = "latest.json"

Precision = Literal["float32", "bfloat16"]
Background = Literal["white", "black", "scene"]
"""The colour of most of an image's border: white as in catalogues, black as in Fashion-MNIST,
or else; the position is the number that the artifact's `backgrounds` gives."""
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
Probability = Annotated[float, Field(ge=0, le=1)]
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ArtifactError(Exception):
    """The file is not an artifact of this service, or not the one that was asked for."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSource(_Strict):
    """Where training data came from."""

    name: str
    licence: str
    url: str | None = None
    images: int = Field(ge=0, description="How many of its images were trained on.")


class ReviewFigures(_Strict):
    """What the artifact's own limits make of the answers to garments."""

    accepted: Probability = Field(description="Share of the answers that nobody needs to look at.")
    accuracy: Probability | None = Field(description="Of those; null when there are none.")


class ConformalFigures(_Strict):
    """How good the sets of labels are that are meant to hold the truth in 95 % of cases."""

    coverage: Probability = Field(description="Share of the sets that hold the truth.")
    mean_size: float = Field(ge=0, description="Labels per set.")
    empty: Probability = Field(description="Share of the sets without a label.")


class RejectionFigures(_Strict):
    """How well garments are told from images of other things."""

    images: int = Field(ge=1, description="Of other things.")
    auroc: Probability = Field(
        description="Chance that a garment has a higher garment probability than another thing."
    )
    fpr95: Probability = Field(
        description="Share of other things taken for garments when 95 % of garments are."
    )
    flagged: Probability = Field(description="Share of other things under the threshold.")
    garments_flagged: Probability = Field(description="Share of garments under the threshold.")


class Figures(_Strict):
    """What `python -m training evaluate` measured on one split; all but `other` on garments."""

    images: int = Field(ge=1)
    accuracy: Probability
    macro_f1: Probability
    ece: Probability = Field(description="Expected calibration error, 15 bins of equal width.")
    confusion_matrix: list[list[int]] = Field(description="Rows: the truth. Columns: the answer.")
    review: ReviewFigures
    conformal: ConformalFigures
    other: RejectionFigures | None = Field(
        default=None, description="Null when the split has no other things, or the model no idea."
    )


class Calibration(_Strict):
    """Numbers fitted on valid splits, never on a test split, for images of one background."""

    temperature: float = Field(gt=0, description="Divides the logits; `forward` applies it.")
    garment_temperature: float = Field(
        default=1.0, gt=0, description="The same for the probability of being a garment."
    )
    review_confidence: Probability = Field(description="Below it, a person should look.")
    review_margin: Probability = Field(
        description="When first and second are closer than this, a person should look."
    )
    conformal_threshold: Probability = Field(
        description="Labels from this probability on make the set that holds the truth in 95 %."
    )
    images: int = Field(ge=0, description="How many garments of valid splits it was fitted on.")
    garment_threshold: Probability | None = Field(
        default=None,
        description="Below this probability of being a garment, a person should look; null when "
        "the model was trained without images of other things and cannot tell.",
    )


class ModelCard(_Strict):
    """What the model is, what it was made of, how good it is and where it is not."""

    schema_version: Literal[1] = 1
    name: str
    version: Version
    architecture: Literal["resnet18", "vgg16"]
    categories: list[str] = Field(min_length=10, max_length=10)
    input_size: int = Field(ge=32, description="Edge of the square network input, in pixels.")
    parameters: int = Field(ge=1)
    created: datetime
    command: str = Field(description="The command that trained it.")
    hyperparameters: dict[str, str | int | float | bool | None]
    sources: list[DataSource]
    figures: dict[str, Figures] = Field(description="By split, such as `fashion-mnist/test`.")
    calibration: dict[Background, Calibration] = Field(
        description="By the background of the image: photos of a shop's catalogue need another "
        "one than photos taken at home."
    )
    limitations: list[str]

    @property
    def can_reject(self) -> bool:
        """Whether the model can tell a garment from other things."""
        return all(part.garment_threshold is not None for part in self.calibration.values())


class Golden(_Strict):
    """An image whose answer is known: an engine that answers otherwise is not used.

    `probabilities` are those of the float32 model at export; an engine in another precision has
    to give the same class, and each probability within `GOLDEN_TOLERANCE`.
    """

    png: Base64Bytes
    label: str
    probabilities: list[Probability] = Field(min_length=10, max_length=10)


class LayerRange(_Strict):
    """What a layer of the network gets, for engines that compute in 8 bits."""

    name: str = Field(description="As torchvision has it, such as `layer1.0.conv2`.")
    low: float = Field(description="The least value of its input on the calibration images.")
    high: float = Field(description="The largest.")


class _RangesFile(_Strict):
    layers: list[LayerRange]


class _GoldenFile(_Strict):
    images: list[Golden] = Field(min_length=1)


class Manifest(BaseModel):
    """`VERSION/manifest.json`: which bytes `model.pt` beside it has to have.

    Fields that a newer publisher adds are ignored.
    """

    model_config = ConfigDict(frozen=True)

    version: Version
    sha256: Sha256 = Field(description="Of model.pt, also where it lies inside model.tar.gz.")
    file: Literal["model.pt"] = "model.pt"
    bytes: int = Field(ge=1)
    created: datetime | None = None


class Latest(BaseModel):
    """`latest.json`: the version to serve, and its manifest, relative to this file."""

    model_config = ConfigDict(frozen=True)

    version: Version
    # VERSION/manifest.json and nothing else, so that it cannot point out of its own prefix.
    manifest: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}/manifest\.json$")
    published: datetime | None = None


class Artifact(_Strict):
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


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
