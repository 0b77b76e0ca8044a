"""Photos in, answers out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute

from app import errors
from app.answering import EXPLAIN_ALONE, answer_alone, answer_batch, json_response
from app.body import read_uploads
from app.card import CATEGORY_COUNT
from app.predictors import EXPLANATION_COST
from app.problems import problem_responses
from app.schemas import BatchPrediction, Prediction
from app.service import service_of


class _PhotoRoute(APIRoute):
    """Its parameters are queries with defaults: where there is no query, none is looked for.

    That is a tenth of the time in which the event loop answers a photo. Source:
    https://fastapi.tiangolo.com/how-to/custom-request-and-route/
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        with_query = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if request.scope["query_string"]:
                return await with_query(request)
            response: Response = await self.endpoint(request)
            return response

        return handle


router = APIRouter(tags=["predict"], route_class=_PhotoRoute)

TopK = Annotated[int, Query(ge=1, le=CATEGORY_COUNT, description="How many probabilities to list.")]
Explain = Annotated[
    bool,
    Query(
        description="Also give `explanation`: what the model saw and where in it the evidence for "
        f"the answer lies. It takes the work of {EXPLANATION_COST} more images, so it is the first "
        "that a busy service refuses."
    ),
]
NotOffered = Annotated[bool, Query(include_in_schema=False)]
"""`explain` where it is refused rather than overlooked."""

_BINARY = {"type": "string", "format": "binary"}
# Without the example, Swagger UI sends the word `string` where no file was chosen.
_BINARIES = {"type": "array", "items": {**_BINARY, "examples": [""]}}
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
    errors.UnsupportedEncoding,
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

_PROXY = (
    errors.EndpointTooLarge,
    errors.EndpointRefused,
    errors.EndpointFailed,
    errors.EndpointThrottled,
    errors.EndpointUnavailable,
    errors.EndpointTimeout,
)


def _form(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "required": [name], "properties": {name: schema}}}


@router.post(
    "/predict",
    summary="What garment is this?",
    response_model=Prediction,
    responses=problem_responses(*_UPLOAD, *_IMAGE, *_PROXY),
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
    top_k: TopK = CATEGORY_COUNT,
    explain: Explain = False,
) -> Response:
    """One photo, as the form field `file` or as the raw body: `curl -F file=@photo.jpg`.

    JPEG, PNG, WebP, GIF (first frame), BMP, TIFF or AVIF, whatever the name or Content-Type says.
    """
    service = service_of(request)
    _ = service.predictor  # before the body is read
    settings = service.settings
    with service.receive() as room:
        uploads = await read_uploads(
            request,
            ["file"],
            room,
            max_bytes=settings.max_body_bytes,
            seconds=settings.upload_seconds,
        )
        if len(uploads) > 1:
            raise errors.TooManyImages(
                f"The form has {len(uploads)} files; POST /predict takes one, POST /predict/batch "
                "takes several."
            )
        return json_response(await answer_alone(request, service, uploads[0], top_k, explain))


@router.post(
    "/predict/batch",
    summary="What garments are these?",
    response_model=BatchPrediction,
    responses=problem_responses(*_UPLOAD, errors.EmptyBody),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": _form("files", _BINARIES),
                "image/*": {"schema": _BINARY},
            },
        }
    },
)
async def predict_batch(
    request: Request,
    top_k: TopK = CATEGORY_COUNT,
    explain: NotOffered = False,
) -> Response:
    """Several photos, each in a form field `files`: `curl -F files=@1.jpg -F files=@2.jpg`.

    Each gets its own answer or error. When there is no room for all of them, none is taken. The
    image itself as the body is a batch of one.
    """
    if explain:
        raise errors.InvalidParameter(EXPLAIN_ALONE)
    service = service_of(request)
    _ = service.predictor
    settings = service.settings
    with service.receive() as room:
        uploads = await read_uploads(
            request,
            ["files", "file"],
            room,
            max_bytes=settings.max_batch_body_bytes,
            seconds=settings.upload_seconds,
        )
        items = await answer_batch(request, service, uploads, top_k)
    return json_response(BatchPrediction(items=items, request_id=request.state.request_id))
