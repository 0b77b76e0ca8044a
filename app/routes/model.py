"""What answers."""

from __future__ import annotations

from fastapi import APIRouter

from app.errors import NotReady
from app.problems import problem_responses
from app.schemas import ModelDescription, description
from app.service import ServiceDependency

router = APIRouter(tags=["model"])


@router.get("/model", summary="The model's card", responses=problem_responses(NotReady))
async def model(service: ServiceDependency) -> ModelDescription:
    """What the model was made of, how good it was on which data, and where it is not."""
    return description(service.predictor.model)
