"""From uploads to what is said of them: shared by every route that takes photos."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response

from app import errors
from app.body import Upload
from app.disconnect import unless_disconnected
from app.predictors import Answer
from app.presentation import explanation, prediction_fields, to_json
from app.problems import problem
from app.schemas import BatchItem, ImagePrediction, Prediction
from app.service import Service

EXPLAIN_ALONE = "explain: only of one photo in a request, answered as one JSON document."

_log = logging.getLogger(__name__)


async def answer_alone(
    request: Request, service: Service, upload: Upload, top_k: int, explain: bool
) -> Prediction:
    """The answer to the only photo of a request.

    Raises:
        ServiceError: the photo is empty, too large or cannot be read, or there is no room or time.
        ClientDisconnect: the client left.
    """
    uploaded = time.perf_counter()
    with service.admit(explain=explain):
        answer = await unless_disconnected(request, _answer(service, upload, explain))
    return Prediction(
        **_fields(request, answer, top_k, uploaded),
        explanation=explanation(answer),
        request_id=request.state.request_id,
    )


async def answer_batch(
    request: Request, service: Service, uploads: Sequence[Upload], top_k: int
) -> list[BatchItem]:
    """An answer or an error for each photo, in order.

    Raises:
        TooManyImages: more than a batch may hold.
        Overloaded: there is no room for all of them.
        ClientDisconnect: the client left.
    """
    limit = service.settings.max_batch_images
    if len(uploads) > limit:
        raise errors.TooManyImages(f"{len(uploads)} images; at most {limit} are allowed.")
    uploaded = time.perf_counter()
    with service.admit(len(uploads)):
        work = (
            _item(request, service, number, upload, top_k, uploaded)
            for number, upload in enumerate(uploads)
        )
        return await unless_disconnected(request, asyncio.gather(*work))


def json_response(answer: object) -> Response:
    """An answer as it is sent: FastAPI would validate once more what was made a moment ago."""
    return Response(to_json(answer), media_type="application/json")


async def _item(
    request: Request, service: Service, number: int, upload: Upload, top_k: int, uploaded: float
) -> BatchItem:
    answer: ImagePrediction | None = None
    error: errors.ServiceError | None = None
    try:
        said = await _answer(service, upload)
        answer = ImagePrediction(**_fields(request, said, top_k, uploaded))
    except errors.ServiceError as refusal:
        error = refusal
    except Exception:
        _log.exception("unexpected error at image %d of a batch", number)
        error = errors.InternalError("The service failed. Its log tells more.")
    if error is not None:
        request.state.errors.append(error)
    return BatchItem(
        index=number,
        filename=upload.filename,
        prediction=answer,
        error=problem(error, request.state.request_id) if error else None,
    )


async def _answer(service: Service, upload: Upload, explain: bool = False) -> Answer:
    limit = service.settings.max_body_bytes
    if len(upload.data) > limit:
        raise errors.BodyTooLarge(f"The image is larger than the {limit:,} bytes allowed.")
    if not upload.data:
        raise errors.EmptyBody("The uploaded file is empty.")
    answer = await service.predictor.predict(upload.data, explain)
    service.metrics.count_answer(answer)
    return answer


def _fields(request: Request, answer: Answer, top_k: int, uploaded: float) -> dict[str, Any]:
    started: float = request.state.started
    return prediction_fields(
        answer,
        top_k,
        upload_ms=1000 * (uploaded - started),
        total_ms=1000 * (time.perf_counter() - started),
    )
