"""Photos in, answers out."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from app import errors
from app.artifact import CATEGORIES
from app.body import Upload, read_uploads
from app.disconnect import unless_disconnected
from app.predictors import EXPLANATION_COST, Answer
from app.problems import problem, problem_responses
from app.schemas import (
    BatchItem,
    BatchPrediction,
    ImagePrediction,
    Prediction,
    explanation,
    prediction,
)
from app.service import Service, ServiceDependency

router = APIRouter(tags=["predict"])
_log = logging.getLogger(__name__)

CATEGORY_COUNT = len(CATEGORIES)
TopK = Annotated[int, Query(ge=1, le=CATEGORY_COUNT, description="How many probabilities to list.")]
Explain = Annotated[
    bool,
    Query(
        description="Also give `explanation`: what the model saw and where in it the evidence for "
        f"the answer lies. It takes the work of {EXPLANATION_COST} more images, so it is the first "
        "that a busy service refuses."
    ),
]

_BINARY = {"type": "string", "format": "binary"}
_UNAVAILABLE = (
    errors.NotReady,
    errors.Overloaded,
    errors.ShuttingDown,
)
_UPLOAD = (
    errors.MalformedMultipart,
    errors.MissingFile,
    errors.UploadTimeout,
    errors.BodyTooLarge,
    errors.TooManyImages,
    errors.InvalidParameter,
    errors.InternalError,
    *_UNAVAILABLE,
)
_IMAGE = (
    errors.EmptyBody,
    errors.ImageTooLarge,
    errors.UnsupportedFormat,
    errors.CorruptImage,
    errors.DeadlineExceeded,
)


def _form(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "required": [name], "properties": {name: schema}}}


@router.post(
    "/predict",
    summary="What garment is this?",
    responses=problem_responses(*_UPLOAD, *_IMAGE),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": _form("file", _BINARY),
                "image/*": {"schema": _BINARY},
            },
        }
    },
)
async def predict(
    request: Request,
    service: ServiceDependency,
    top_k: TopK = CATEGORY_COUNT,
    explain: Explain = False,
) -> Prediction:
    """One photo, as the form field `file` or as the raw body: `curl -F file=@photo.jpg`.

    JPEG, PNG, WebP, GIF (first frame), BMP, TIFF or AVIF, whatever the name or Content-Type says.
    """
    _ = service.predictor  # before the body is read
    settings = service.settings
    with service.admit():
        uploads = await read_uploads(
            request, ["file"], max_bytes=settings.max_body_bytes, seconds=settings.upload_seconds
        )
        if len(uploads) > 1:
            raise errors.TooManyImages(
                f"The form has {len(uploads)} files; POST /predict takes one, POST /predict/batch "
                "takes several."
            )
        uploaded = time.perf_counter()
        with service.admit_explanation() if explain else nullcontext():
            answer = await unless_disconnected(request, _answer(service, uploads[0], explain))
    said = _said(request, answer, top_k, uploaded)
    return Prediction(
        **dict(said), explanation=explanation(answer), request_id=request.state.request_id
    )


@router.post(
    "/predict/batch",
    summary="What garments are these?",
    responses=problem_responses(*_UPLOAD),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": _form("files", {"type": "array", "items": _BINARY}),
            },
        }
    },
)
async def predict_batch(
    request: Request, service: ServiceDependency, top_k: TopK = CATEGORY_COUNT
) -> BatchPrediction:
    """Several photos, each in a form field `files`: `curl -F files=@1.jpg -F files=@2.jpg`.

    Each gets its own answer or error. When there is no room for all of them, none is taken.
    """
    _ = service.predictor
    settings = service.settings
    with service.admit():
        uploads = await read_uploads(
            request,
            ["files", "file"],
            max_bytes=settings.max_batch_body_bytes,
            seconds=settings.upload_seconds,
        )
        if len(uploads) > settings.max_batch_images:
            raise errors.TooManyImages(
                f"{len(uploads)} images; at most {settings.max_batch_images} are allowed."
            )
        uploaded = time.perf_counter()
        with service.admit(len(uploads) - 1):
            work = (
                _batch_item(request, service, number, upload, top_k, uploaded)
                for number, upload in enumerate(uploads)
            )
            items = await unless_disconnected(request, asyncio.gather(*work))
    return BatchPrediction(items=items, request_id=request.state.request_id)


async def _answer(service: Service, upload: Upload, explain: bool = False) -> Answer:
    limit = service.settings.max_body_bytes
    if len(upload.data) > limit:
        raise errors.BodyTooLarge(f"The image is larger than the {limit:,} bytes allowed.")
    if not upload.data:
        raise errors.EmptyBody("The uploaded file is empty.")
    answer = await service.predictor.predict(upload.data, explain)
    service.metrics.count_answer(answer)
    return answer


def _said(request: Request, answer: Answer, top_k: int, uploaded: float) -> ImagePrediction:
    started: float = request.state.started
    return prediction(
        answer,
        top_k,
        upload_ms=1000 * (uploaded - started),
        total_ms=1000 * (time.perf_counter() - started),
    )


async def _batch_item(
    request: Request, service: Service, number: int, upload: Upload, top_k: int, uploaded: float
) -> BatchItem:
    answer: ImagePrediction | None = None
    error: errors.ServiceError | None = None
    try:
        answer = _said(request, await _answer(service, upload), top_k, uploaded)
    except errors.ServiceError as refusal:
        error = refusal
    except Exception:
        _log.exception("unexpected error at image %d of a batch", number)
        error = errors.InternalError("The service failed. Its log tells more.")
    if error is not None:
        service.metrics.errors.labels(error.code).inc()
    return BatchItem(
        index=number,
        filename=upload.filename,
        prediction=answer,
        error=problem(error, request.state.request_id) if error else None,
    )
