"""The answers that Swagger UI shows: what the bundled model says of tests/samples/ankle-boot.png.

A test holds them against it. The numbers are rounded, and times are those of one request.
"""

from __future__ import annotations

import json
from typing import Any

from app.errors import UnsupportedFormat
from app.predictors import Answer, ModelIdentity
from app.presentation import identity, prediction_fields, to_json
from app.problems import EXAMPLE_ID, problem
from app.schemas import BatchItem, BatchPrediction, ImagePrediction, Prediction, Ready

_ANSWER = Answer(
    probabilities=(0.001, 0.0001, 0.0004, 0.0002, 0.0002, 0.0014, 0.0005, 0.0011, 0.0006, 0.9945),
    garment_probability=0.9992,
    background="black",
    rotation=0,
    likely_classes=(9,),
    review_reasons=(),
    model=ModelIdentity(
        name="garment-resnet18",
        version="0.5.0",
        sha256="c904fbc790d14e0012d8cd460bd61f61aae350038457a6b0fd854b1109a35828",
    ),
    decode_ms=0.74,
    queue_ms=0.1,
    inference_ms=7.55,
)
_FIELDS = prediction_fields(_ANSWER, 10, upload_ms=0.68, total_ms=9.35)
_REFUSED = UnsupportedFormat(
    "The content is none of the formats that are read: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF."
)

_PREDICTION = Prediction(**_FIELDS, explanation=None, request_id=EXAMPLE_ID)
_BATCH = BatchPrediction(
    items=[
        BatchItem(
            index=0,
            filename="ankle-boot.png",
            prediction=ImagePrediction(**_FIELDS),
            error=None,
        ),
        BatchItem(
            index=1, filename="notes.txt", prediction=None, error=problem(_REFUSED, EXAMPLE_ID)
        ),
    ],
    request_id=EXAMPLE_ID,
)
_EXAMPLES = {
    "/predict": _PREDICTION,
    "/predict/batch": _BATCH,
    "/health/ready": Ready(model=identity(_ANSWER.model)),
}


def add_examples(document: dict[str, Any]) -> None:
    """Put them into the OpenAPI document; FastAPI itself would leave out what is null."""
    for path, example in _EXAMPLES.items():
        [operation] = document["paths"][path].values()
        content = operation["responses"]["200"]["content"]["application/json"]
        content["example"] = json.loads(to_json(example))
