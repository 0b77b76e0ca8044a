"""For orchestrators and monitoring: is it alive, may it be sent requests, what does it do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.errors import NotReady
from app.presentation import identity
from app.problems import problem_responses
from app.schemas import Live, Ready
from app.service import service_of
from app.telemetry import CONTENT_TYPE

router = APIRouter(tags=["operation"])


@router.get("/health/live", summary="Is the process alive?")
async def live() -> Live:
    """Answers from the first moment on, also while the model is being loaded."""
    return Live()


@router.get(
    "/health/ready", summary="May it be sent photos?", responses=problem_responses(NotReady)
)
async def ready(request: Request) -> Ready:
    """200 once the model is verified, warmed up and has answered its golden images right."""
    predictor = service_of(request).predictor
    predictor.check_ready()
    return Ready(model=identity(predictor.model.identity))


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Requests, latencies, phases, batches, predictions and the model, as Prometheus reads them."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)
