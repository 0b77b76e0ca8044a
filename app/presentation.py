"""From what a predictor says to what goes over the wire."""

from __future__ import annotations

import base64
from typing import Any

from app import predictors
from app.card import CATEGORIES
from app.predictors import Answer, LoadedModel
from app.schemas import (
    CategoryProbability,
    Explanation,
    ModelDescription,
    ModelIdentity,
    Timings,
    adapter,
)


def identity(model: predictors.ModelIdentity) -> ModelIdentity:
    """Which model it is."""
    return ModelIdentity(
        name=model.name, version=model.version, sha256=model.sha256, variant=model.variant
    )


def description(model: LoadedModel) -> ModelDescription:
    """All that is known of the model."""
    return ModelDescription(
        sha256=model.sha256, engine=model.engine, precision=model.precision, card=model.card
    )


def prediction_fields(
    answer: Answer, top_k: int, upload_ms: float, total_ms: float
) -> dict[str, Any]:
    """Those of an `ImagePrediction`, the probabilities sorted and cut to `top_k`."""
    ranked = sorted(enumerate(answer.probabilities), key=lambda pair: pair[1], reverse=True)
    listed = [
        CategoryProbability(label=CATEGORIES[number], class_id=number, probability=probability)
        for number, probability in ranked
    ]
    return {
        "label": listed[0].label,
        "class_id": listed[0].class_id,
        "confidence": listed[0].probability,
        "probabilities": listed[:top_k],
        "labels": [CATEGORIES[number] for number in answer.likely_classes],
        "garment_probability": answer.garment_probability,
        "needs_review": bool(answer.review_reasons),
        "review_reasons": list(answer.review_reasons),
        "background": answer.background,
        "rotation": answer.rotation,
        "model": identity(answer.model),
        "timings_ms": Timings(
            upload=round(upload_ms, 2),
            decode=round(answer.decode_ms, 2),
            queue=round(answer.queue_ms, 2),
            inference=round(answer.inference_ms, 2),
            explanation=answer.explanation_ms and round(answer.explanation_ms, 2),
            total=round(total_ms, 2),
        ),
    }


def to_json(answer: object) -> bytes:
    """An answer as it is sent."""
    schema: Any = type(answer)
    return adapter(schema).dump_json(answer)


def explanation(answer: Answer) -> Explanation | None:
    """Why the answer is what it is, where it was asked for."""
    images = answer.explanation
    if images is None:
        return None
    return Explanation(
        label=CATEGORIES[answer.class_id],
        input=_data_address(images.input),
        heatmap=_data_address(images.heatmap) if images.heatmap else None,
    )


def _data_address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
