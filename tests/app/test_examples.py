"""The answers that Swagger UI shows are those that the service gives."""

from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.settings import BUNDLED_MODEL, Settings
from tests.app.conftest import running, settings

SAMPLE = Path(__file__).parents[1] / "samples" / "ankle-boot.png"


def fields(answer: Any) -> Any:
    """The names in it, in their order, and the types of its values."""
    if isinstance(answer, dict):
        return {name: fields(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [fields(value) for value in answer]
    return type(answer)


def example(path: str) -> Any:
    [operation] = create_app(Settings()).openapi()["paths"][path].values()
    return operation["responses"]["200"]["content"]["application/json"]["example"]


def test_answers_are_shown_as_the_bundled_model_gives_them() -> None:
    with running(settings(model=str(BUNDLED_MODEL))) as server:
        client = server.client
        ready = client.get("/health/ready").json()
        alone = client.post("/predict", files={"file": SAMPLE.read_bytes()}).json()
        files = [("files", ("ankle-boot.png", SAMPLE.read_bytes())), ("files", ("notes.txt", b"-"))]
        batch = client.post("/predict/batch", files=files).json()
    assert example("/health/ready") == ready

    for shown, given in (
        (example("/predict"), alone),
        (example("/predict/batch")["items"][0]["prediction"], batch["items"][0]["prediction"]),
    ):
        for name in ("label", "class_id", "labels", "review_reasons", "background", "model"):
            assert shown[name] == given[name]
        for name in ("confidence", "garment_probability"):
            assert shown[name] == pytest.approx(given[name], abs=0.002)
        assert sum(each["probability"] for each in shown["probabilities"]) == pytest.approx(1)
    assert fields(example("/predict")) == fields(alone)
    assert fields(example("/predict/batch")) == fields(batch)
    refused = batch["items"][1]["error"]
    shown = example("/predict/batch")["items"][1]["error"]
    assert {**refused, "request_id": shown["request_id"]} == shown
