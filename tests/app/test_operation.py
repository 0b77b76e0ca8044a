"""What operators use: health, model, metrics, logs."""

import asyncio
import json
import logging
import sys
from functools import partial

import httpx
import pytest

from app.artifact import Artifact
from app.card import CATEGORIES
from app.errors import EndpointFailed
from app.logs import JsonFormatter, TextFormatter, current_request_id
from app.predictors import Answer, LoadedModel, Predictor, PredictorError
from app.service import Service
from app.settings import Settings
from app.telemetry import Metrics
from tests.app.conftest import encode, photo, running, settings, total, until


def test_health(client: httpx.Client, artifact: Artifact) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["model"]["sha256"] == artifact.sha256


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/favicon.ico", "/model", "/metrics", "/health/live", "/health/ready"],
)
def test_what_is_got_can_be_asked_for_its_head(client: httpx.Client, path: str) -> None:
    """As many monitors and load balancers do: 405 would count as down."""
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == client.get(path).headers["content-type"]
    refused = client.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


def test_what_takes_photos_has_no_head(client: httpx.Client) -> None:
    refused = client.head("/predict")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_it_is_live_and_not_ready_while_it_loads() -> None:
    async def never(_: Settings, __: Metrics) -> Predictor:
        await asyncio.Event().wait()
        raise AssertionError

    with running(settings(), never, ready=False) as server:
        assert server.client.get("/health/live").status_code == 200
        for path in ("/health/ready", "/model"):
            response = server.client.get(path)
            assert (response.status_code, response.json()["code"]) == (503, "not_ready")
            assert response.headers["retry-after"] == "2"
        early = server.client.post("/predict", content=encode(photo(), "PNG"))
        assert (early.status_code, early.json()["code"]) == (503, "not_ready")


@pytest.mark.parametrize("error", [PredictorError("no such file"), RuntimeError("no such file")])
def test_a_failed_load_is_told(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def fail(_: Settings, __: Metrics) -> Predictor:
        raise error

    async def main() -> None:
        service = Service(settings(), told.append, fail)
        service.start()
        await asyncio.sleep(0.01)
        await service.stop()

    asyncio.run(main())
    assert len(told) == 1
    assert "no such file" in told[0]
    assert bool(caplog.records) == isinstance(error, RuntimeError)  # with its traceback


def test_the_models_card(client: httpx.Client, artifact: Artifact) -> None:
    model = client.get("/model").json()
    assert (model["engine"], model["precision"]) == ("torchscript", "float32")
    assert model["sha256"] == artifact.sha256
    assert model["card"] == artifact.card.model_dump(mode="json")


def test_metrics(client: httpx.Client, artifact: Artifact) -> None:
    value = partial(total, client)
    names = {
        'garment_requests_total{method="POST",route="/predict",status="200"}': 1,
        'garment_errors_total{code="unsupported_format"}': 2,
        'garment_request_seconds_count{route="/predict"}': 2,
        'garment_phase_seconds_count{phase="decode"}': 1,
        'garment_phase_seconds_count{phase="queue"}': 1,
        'garment_phase_seconds_count{phase="inference"}': 1,
        "garment_batch_size_sum": 3,
        "garment_predictions_total": 1,
        'garment_requests_total{method="GET",route="unmatched",status="404"}': 1,
    }
    before = {name: value(name) for name in names}
    client.post("/predict", content=encode(photo(), "PNG"))
    client.post("/predict", content=b"text")
    client.post("/predict/batch", files={"files": ("a", b"text")})
    client.get("/random/path/of/a/scanner")
    assert {name: value(name) - before[name] for name in names} == names
    text = client.get("/metrics").text
    assert "scanner" not in text
    assert value("garment_images_in_work_limit") == settings().max_images_in_work
    assert all(f'garment_predictions_total{{label="{label}"}}' in text for label in CATEGORIES)
    assert (
        value(
            f'garment_model_info{{engine="torchscript",name="tiny",precision="float32",'
            f'sha256="{artifact.sha256}",version="1.2.3"}}'
        )
        == 1
    )


def test_every_request_leaves_one_line(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.middleware"):
        client.post(
            "/predict", files={"file": ("private name.jpg", b"x")}, headers={"x-request-id": "r-1"}
        )
        client.get("/health/live")
    (record,) = caplog.records
    assert record.getMessage() == "POST /predict 415"
    assert (record.fields["status"], record.fields["code"]) == (415, "unsupported_format")
    assert "detail" not in record.fields
    assert "private name" not in str(record.__dict__)


class Failing:
    """A predictor whose endpoint fails."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    def check_ready(self) -> None:
        pass

    async def predict(self, photo: bytes, explain: bool = False) -> Answer:
        raise EndpointFailed("its container fails")

    async def close(self) -> None:
        pass


def test_a_line_tells_which_errors_were_answered_and_whatever_is_no_fault_of_the_caller(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a batch, too: its status is 200 whatever became of its photos."""

    async def failing(_: Settings, __: Metrics) -> Predictor:
        return Failing(LoadedModel(artifact.card, artifact.sha256, "openvino", "int8"))

    with running(settings(), failing) as server, caplog.at_level(logging.INFO, "app.middleware"):
        server.client.post("/predict", content=b"x")
        files = [("files", ("a", b"x")), ("files", ("b", b""))]
        server.client.post("/predict/batch", files=files)
        until(lambda: len(caplog.records) == 2)  # a line is written after its answer
        lines = [record.fields for record in caplog.records]
    assert [(line["status"], line["code"], line["detail"]) for line in lines] == [
        (502, "endpoint_failed", "its container fails"),
        (200, "empty_body endpoint_failed", "its container fails"),
    ]


def test_log_lines() -> None:
    token = current_request_id.set("r-1")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("app", 40, "", 0, "it %s", ("failed",), sys.exc_info())
        record.fields = {"status": 500}
        line = JsonFormatter().format(record)
        text = TextFormatter().format(record)
    finally:
        current_request_id.reset(token)
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed["message"] == "it failed"
    assert (parsed["level"], parsed["status"], parsed["request_id"]) == ("error", 500, "r-1")
    assert "ValueError: first" in parsed["exception"]
    assert "error   it failed status=500 request_id=r-1\nTraceback" in text


def test_a_client_writes_no_line_of_its_own_into_the_log() -> None:
    record = logging.LogRecord("app", 20, "", 0, "GET %s", ("/ü\nfake\x1b[31m\u2028",), None)
    record.fields = {"path": "/ü\nfake"}
    text = TextFormatter().format(record)
    assert "GET /ü\\nfake\\x1b[31m\\u2028 path=/ü\\nfake" in text
    assert len(text.splitlines()) == 1
