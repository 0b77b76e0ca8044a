"""The model card: what a model is, what it was made of, how good it is and how sure it may be."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

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

Background = Literal["white", "black", "scene"]
"""The colour of most of an image's border: white as in catalogues, black as in Fashion-MNIST,
or else; the position is the number that the artifact's `backgrounds` gives."""
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
Probability = Annotated[float, Field(ge=0, le=1)]
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]


class Strict(BaseModel):
    """Takes no field that it does not have, and stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSource(Strict):
    """Where training data came from."""

    name: str
    licence: str
    url: str | None = None
    images: int = Field(ge=0, description="How many of its images were trained on.")


class ReviewFigures(Strict):
    """What the artifact's own limits make of the answers to garments."""

    accepted: Probability = Field(description="Share of the answers that nobody needs to look at.")
    accuracy: Probability | None = Field(description="Of those; null when there are none.")


class ConformalFigures(Strict):
    """How good the sets of labels are that are meant to hold the truth in 95 % of cases."""

    coverage: Probability = Field(description="Share of the sets that hold the truth.")
    mean_size: float = Field(ge=0, description="Labels per set.")
    empty: Probability = Field(description="Share of the sets without a label.")


class RejectionFigures(Strict):
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


class Figures(Strict):
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


class Calibration(Strict):
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


class ModelCard(Strict):
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
    can_turn: bool = Field(
        default=False,
        description="Whether it sees that a photo lies on a side or on its head; such a photo is "
        "turned upright before it is answered.",
    )
    limitations: list[str]

    @property
    def can_reject(self) -> bool:
        """Whether the model can tell a garment from other things."""
        return all(part.garment_threshold is not None for part in self.calibration.values())
