"""Errors as RFC 9457 problem+json: what handlers answer and what the OpenAPI document says."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.errors import (
    InternalError,
    InvalidParameter,
    MethodNotAllowed,
    NotFound,
    ServiceError,
)
from app.schemas import Problem

MEDIA_TYPE = "application/problem+json"
EXAMPLE_ID = "6f1c0a9d3b7e4c58a2d1e0f49b8c7a65"


def problem(error: ServiceError, request_id: str) -> Problem:
    """The error as it is sent."""
    return Problem(
        type=f"urn:garment-classifier:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
    )


def problem_response(error: ServiceError, request_id: str) -> JSONResponse:
    """The answer that the error becomes."""
    return JSONResponse(
        problem(error, request_id).model_dump(),
        status_code=error.status,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )


def problem_responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, for its `responses` in the OpenAPI document."""
    by_status: defaultdict[int, list[type[ServiceError]]] = defaultdict(list)
    for error in errors:
        by_status[error.status].append(error)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": "; ".join(f"`{error.code}`: {error.title}" for error in group),
            "content": {
                MEDIA_TYPE: {
                    "schema": schema,
                    "examples": {error.code: {"value": _example(error)} for error in group},
                }
            },
        }
        for status, group in sorted(by_status.items())
    }


def _example(error: type[ServiceError]) -> dict[str, Any]:
    meaning = " ".join((error.__doc__ or "").split())
    return problem(error(meaning), EXAMPLE_ID).model_dump()


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error, the framework's own too, leave as problem+json."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        known = _service_error(request, error)
        request.state.errors.append(known)
        return problem_response(known, request.state.request_id)

    for kind in (ServiceError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, handle)


def _service_error(request: Request, error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return InvalidParameter(f"{first['loc'][-1]}: {first['msg']}.")
    refusal = cast("HTTPException", error)
    path = request.url.path
    if refusal.status_code == NotFound.status:
        return NotFound(f"There is nothing at {path}. GET /docs lists what there is.")
    if refusal.status_code == MethodNotAllowed.status:
        methods = (refusal.headers or {}).get("Allow", "").split(", ")
        allow = ", ".join(sorted(methods))  # they come from a set
        return MethodNotAllowed(f"{path} does not take {request.method}, but {allow}.", allow)
    return InternalError("The service failed. Its log tells more under this request id.")
