"""What goes over the wire.

The answers to photos are dataclasses: they are made a thousand times a second, by this service
itself, and need no validation.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.card import Background, ModelCard, Probability
from app.review import ReviewReason


class Schema(BaseModel):
    """All answers are made here and never changed."""

    model_config = ConfigDict(frozen=True)


class Problem(Schema):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="A URI for `code`.")
    title: str = Field(description="What kind of error; the same for every error of this code.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    code: str = Field(description="Stable: for programs to act on.")
    request_id: str = Field(description="The same as in the header x-request-id and in the log.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryProbability:
    """One category and how likely it is."""

    label: Annotated[str, Field(examples=["Sneaker"])]
    class_id: Annotated[
        int, Field(ge=0, le=9, description="Fashion-MNIST's number of the category.")
    ]
    probability: Probability


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which model answered."""

    name: str
    version: str
    sha256: Annotated[str, Field(description="Of the artifact file.")]
    variant: Annotated[
        str | None,
        Field(
            description="The SageMaker endpoint's production variant that answered; "
            "null without one."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds per phase."""

    upload: Annotated[float, Field(ge=0, description="Until the whole body had arrived.")]
    decode: Annotated[
        float, Field(ge=0, description="From bytes to pixels, waiting for a thread included.")
    ]
    queue: Annotated[float, Field(ge=0, description="Waiting for the batch before.")]
    inference: Annotated[
        float, Field(ge=0, description="The network; shared by all images of its batch.")
    ]
    explanation: Annotated[
        float | None,
        Field(ge=0, description="Waiting for it included; null when it was not asked for."),
    ]
    total: Annotated[
        float, Field(ge=0, description="From the request's first byte to this answer.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePrediction:
    """The answer to one image."""

    label: Annotated[str, Field(description="The most likely category.", examples=["Sneaker"])]
    class_id: Annotated[int, Field(ge=0, le=9, description="Its number in Fashion-MNIST.")]
    confidence: Annotated[
        Probability,
        Field(description="Its probability, calibrated, if the photo shows a garment of the ten."),
    ]
    probabilities: Annotated[
        list[CategoryProbability],
        Field(description="Largest first: all ten, or as many as `top_k` asks for."),
    ]
    labels: Annotated[
        list[str],
        Field(
            description="The categories that are likely enough, largest first: they hold the right "
            "one for 95 % of photos of a garment like those that the model was calibrated on. "
            "Empty when none is likely enough; then, and when there are several, `needs_review` is "
            "true. What is no garment may have some: look at `review_reasons`.",
            examples=[["Sneaker"]],
        ),
    ]
    garment_probability: Annotated[
        Probability | None,
        Field(
            description="Of being one of the ten categories at all; "
            "null when the model cannot tell."
        ),
    ]
    needs_review: Annotated[bool, Field(description="Whether a person should look.")]
    review_reasons: Annotated[
        list[ReviewReason], Field(description="Why; empty when nobody has to.")
    ]
    background: Annotated[
        Background,
        Field(
            description="What most of the border shows: white as in catalogues, black, or a scene. "
            "The model is calibrated for each by itself."
        ),
    ]
    rotation: Annotated[
        Literal[0, 90, 180, 270],
        Field(
            description="Degrees, clockwise, by which the photo was turned before it was answered, "
            "because it lay on a side or on its head; 0 for most, and where the model cannot tell."
        ),
    ] = 0
    model: ModelIdentity
    timings_ms: Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why the answer is what it is, as addresses for an `<img>`: `data:image/png;base64,...`."""

    label: Annotated[str, Field(description="The category that it explains: the answer's.")]
    input: Annotated[str, Field(description="What the model saw, 112 x 112 pixels.")]
    heatmap: Annotated[
        str | None,
        Field(
            description="Where in it the evidence for the category lies, 336 x 336 pixels: bright "
            "yellow much, black none. Null when the network has no map of it, as VGG-16."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction(ImagePrediction):
    """The answer of POST /predict."""

    explanation: Annotated[Explanation | None, Field(description="Null when it was not asked for.")]
    request_id: Annotated[
        str, Field(description="The same as in the header x-request-id and in the log.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One image of a batch: either `prediction` or `error` is null."""

    index: Annotated[int, Field(ge=0, description="Position in the request.")]
    filename: str | None
    prediction: ImagePrediction | None
    error: Problem | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPrediction:
    """The answer of POST /predict/batch, in the order of the request."""

    items: list[BatchItem]
    request_id: Annotated[
        str, Field(description="The same as in the header x-request-id and in the log.")
    ]


class ModelDescription(Schema):
    """The answer of GET /model."""

    sha256: str = Field(description="Of the artifact file.")
    engine: str = Field(description="What runs it.", examples=["torchscript"])
    precision: str = Field(description="What it computes in.", examples=["bfloat16"])
    card: ModelCard = Field(description="What it was made of, how good it is, where it is not.")


class Live(Schema):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(Schema):
    """Requests are taken."""

    status: Literal["ready"] = "ready"
    model: ModelIdentity


@functools.cache
def adapter(schema: Any) -> TypeAdapter[Any]:
    """Reads and writes a schema."""
    return TypeAdapter(schema)
