"""The two paths of a SageMaker container, for endpoints and for Batch Transform.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import math
import os

from fastapi import APIRouter, Request, Response

from app.answering import EXPLAIN_ALONE, answer_alone, answer_batch, json_response
from app.errors import InvalidParameter
from app.invocation import (
    ATTRIBUTES_HEADER,
    JSON_LINES,
    read_invocation,
    read_wishes,
    wants_lines,
)
from app.presentation import description, to_json
from app.schemas import BatchPrediction
from app.service import service_of
from app.settings import MIB

router = APIRouter(tags=["sagemaker"], include_in_schema=False)

BATCH_VARIABLE = "SAGEMAKER_BATCH"
"""SageMaker sets it to `true` in the containers of Batch Transform."""


@router.get("/ping")
async def ping(request: Request) -> Response:
    """200 once the model answers; SageMaker sends photos from then on."""
    service_of(request).predictor.check_ready()
    return Response()


@router.get("/execution-parameters")
async def execution_parameters(request: Request) -> dict[str, int | str]:
    """What Batch Transform does where the job does not say otherwise."""
    settings = service_of(request).settings
    return {
        "BatchStrategy": "SINGLE_RECORD",
        "MaxConcurrentTransforms": 2 * settings.batch_size,
        "MaxPayloadInMB": math.ceil(settings.max_body_bytes / MIB),
    }


@router.post("/invocations")
async def invocations(request: Request) -> Response:
    """One photo or several; answers are those of POST /predict and POST /predict/batch.

    As lines, each photo's answer or error stands on its own line, with status 200: in Batch
    Transform, one damaged photo must not end the job.
    """
    service = service_of(request)
    predictor = service.predictor
    predictor.check_ready()
    wishes = read_wishes(request.headers.get(ATTRIBUTES_HEADER, ""))
    lines = wants_lines(request.headers.get("accept", ""))
    # A job that asks for nothing gets lines as well: its photos come one by one.
    lines = lines or os.environ.get(BATCH_VARIABLE) == "true"
    with service.receive() as room:
        invocation = await read_invocation(request, room, service.settings, lines)
        if invocation.describe:
            return json_response(description(predictor.model))
        if invocation.several or lines:
            if wishes.explain:
                raise InvalidParameter(EXPLAIN_ALONE)
            batch = BatchPrediction(
                items=await answer_batch(request, service, invocation.uploads, wishes.top_k),
                request_id=request.state.request_id,
            )
            return _lines(batch) if lines else json_response(batch)
        upload = invocation.uploads[0]
        return json_response(
            await answer_alone(request, service, upload, wishes.top_k, wishes.explain)
        )


def _lines(batch: BatchPrediction) -> Response:
    said = [item.prediction or item.error for item in batch.items]
    # No newline at the end: Batch Transform puts its own between the answers.
    lines = b"\n".join(to_json(answer) for answer in said if answer is not None)
    return Response(lines, media_type=JSON_LINES)
