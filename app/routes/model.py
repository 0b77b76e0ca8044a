"""What answers."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.errors import NotReady
from app.presentation import description
from app.problems import problem_responses
from app.schemas import ModelDescription
from app.service import service_of

router = APIRouter(tags=["model"])


@router.get("/model", summary="The model's card", responses=problem_responses(NotReady))
async def model(request: Request) -> ModelDescription:
    """What the model was made of, how good it was on which data, and where it is not."""
    return description(service_of(request).predictor.model)
