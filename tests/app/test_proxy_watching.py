"""What the proxy knows of its endpoint: who answers, and whether it can be called at all."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

import pytest

from app.artifact import Artifact
from app.calls import Caller
from app.endpoint import Failure, Invoked
from app.errors import (
    DeadlineExceeded,
    EndpointFailed,
    EndpointThrottled,
    EndpointTimeout,
    EndpointUnavailable,
    NotReady,
)
from app.predictors import LoadedModel
from app.predictors import sagemaker as proxy
from app.predictors.sagemaker import FAILED_POLLS, SageMakerPredictor
from app.schemas import ModelDescription
from app.service import Service
from app.telemetry import Metrics
from tests.app.conftest import encode, photo, settings

PROXY = settings(backend="sagemaker", endpoint_name="garments", endpoint_connections=1)


class Endpoint:
    """Answers for its model, and fails as many looks at its state as it is told to."""

    name = "garments"

    def __init__(self, model: LoadedModel) -> None:
        self.model, self.failures, self.looks = model, 0, 0
        self.failure: Exception = Failure(EndpointThrottled("no more calls now"), again=True)

    def state(self) -> str:
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise self.failure
        return "InService"

    def invoke(self, body: bytes, content_type: str, attributes: str = "") -> Invoked:
        model = self.model
        said = ModelDescription(
            sha256=model.sha256, engine=model.engine, precision=model.precision, card=model.card
        )
        return Invoked(said.model_dump_json().encode(), "one")

    def close(self) -> None:
        pass


@pytest.fixture
def watched(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Endpoint, SageMakerPredictor, Metrics], Awaitable[None]]], None]:
    """Runs a scenario with a proxy that looks every hundredth of a second."""
    monkeypatch.setattr(proxy, "POLL_SECONDS", 0.01)

    def run(scenario: Callable[[Endpoint, SageMakerPredictor, Metrics], Awaitable[None]]) -> None:
        async def main() -> None:
            metrics = Metrics()
            endpoint = Endpoint(LoadedModel(artifact.card, "a" * 64, "openvino", "int8"))
            caller = Caller(PROXY, metrics)
            predictor = SageMakerPredictor(endpoint, caller, endpoint.model, PROXY, metrics)
            await scenario(endpoint, predictor, metrics)
            await predictor.close()

        asyncio.run(main())

    return run


async def looked(endpoint: Endpoint, times: int) -> None:
    """Wait for so many more looks at the state, and for what follows from them."""
    last = endpoint.looks + times + 1
    for _ in range(3_000):
        if endpoint.looks >= last:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"no {times} looks within half a minute")


def test_a_look_that_fails_does_not_make_it_unready_and_several_do(watched) -> None:
    async def scenario(endpoint, predictor, metrics) -> None:
        endpoint.failures = FAILED_POLLS - 1
        while endpoint.failures:
            predictor.check_ready()
            await asyncio.sleep(0.001)
        await looked(endpoint, 1)
        predictor.check_ready()
        endpoint.failures = 10**6
        await looked(endpoint, FAILED_POLLS)
        with pytest.raises(NotReady, match="no more calls now"):
            predictor.check_ready()
        endpoint.failures = 0
        await looked(endpoint, 1)
        predictor.check_ready()

    watched(scenario)


def test_an_error_that_nobody_thought_of_does_not_end_the_watch(watched, caplog) -> None:
    async def scenario(endpoint, predictor, metrics) -> None:
        endpoint.failure = KeyError("unforeseen")
        endpoint.failures = 10**6
        await looked(endpoint, FAILED_POLLS + 2)
        with pytest.raises(NotReady, match="the log tells why") as caught:
            predictor.check_ready()
        assert "unforeseen" not in caught.value.detail
        assert caplog.text.count("KeyError: 'unforeseen'") == FAILED_POLLS
        endpoint.failures = 0
        await looked(endpoint, 1)
        predictor.check_ready()

    watched(scenario)


def test_a_watch_that_failed_does_not_keep_it_from_closing(watched) -> None:
    async def scenario(endpoint, predictor, metrics) -> None:
        async def fail() -> None:
            raise KeyError("unforeseen")

        predictor._watching.cancel()
        predictor._watching = asyncio.create_task(fail())
        await asyncio.sleep(0)

    watched(scenario)


def test_the_model_that_answers_since_an_update_is_shown(watched, artifact) -> None:
    async def scenario(endpoint, predictor, metrics) -> None:
        card = artifact.card.model_copy(update={"version": "2.0.0"})
        endpoint.model = LoadedModel(card, "b" * 64, "openvino", "int8")
        predictor._answered_by = "b" * 64  # as the answer to a photo says
        await looked(endpoint, 2)
        assert predictor.model.card.version == "2.0.0"
        shown = [line for line in metrics.text().decode().splitlines() if "model_info{" in line]
        assert len(shown) == 1
        assert "b" * 64 in shown[0]

    watched(scenario)


@pytest.mark.parametrize("body", [b"<html>", b"{}", None])
def test_an_answer_of_another_container_is_told(watched, client, body) -> None:
    """`None` is for an answer of this service that lacks a category."""
    if body is None:
        answer = client.post("/predict", content=encode(photo(), "PNG")).json()
        answer["probabilities"].pop()
        body = json.dumps(answer).encode()

    async def scenario(endpoint, predictor, metrics) -> None:
        endpoint.invoke = lambda *_: Invoked(body, "one")
        with pytest.raises(EndpointFailed, match=r"^The endpoint garments answered, and not as"):
            await predictor.predict(encode(photo(), "PNG"))

    watched(scenario)


def test_what_is_waited_for_at_the_start_is_told() -> None:
    with pytest.raises(NotReady, match="The endpoint garments is not in service yet"):
        _ = Service(PROXY, lambda _: None).predictor


def test_that_it_is_left_alone_is_logged_once_and_callers_hear_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    values = settings(
        backend="sagemaker",
        endpoint_name="garments",
        endpoint_attempts=4,
        endpoint_failures=2,
        endpoint_pause_seconds=0.3,
    )

    def fail() -> None:
        raise Failure(EndpointFailed("its container fails"), again=True)

    async def main() -> None:
        caller = Caller(values, Metrics())

        def call(work: Callable[[], None]) -> Awaitable[None]:
            return caller.patiently(work, time.perf_counter() + 10)

        with pytest.raises(
            EndpointFailed, match="its container fails"
        ):  # not that it is left alone
            await call(fail)
        with pytest.raises(EndpointUnavailable, match="left alone"):
            await call(fail)
        await asyncio.sleep(0.4)
        with pytest.raises(EndpointFailed):  # the one try in between
            await call(fail)
        await asyncio.sleep(0.4)
        await call(lambda: None)
        caller.close()

    asyncio.run(main())
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        (
            "WARNING",
            "the endpoint garments failed 2 times in a row, and is tried every 0.3 s only: "
            "its container fails",
        ),
        ("INFO", "the endpoint garments answers again"),
    ]


def test_waiting_for_a_free_connection_is_no_failure_of_the_endpoint() -> None:
    async def main() -> None:
        caller = Caller(PROXY, Metrics())
        end = time.perf_counter() + 0.3
        calls = (caller.patiently(lambda: time.sleep(0.6), end) for _ in range(9))
        failed = await asyncio.gather(*calls, return_exceptions=True)
        kinds = [type(error) for error in failed]
        assert kinds == [EndpointTimeout] + [DeadlineExceeded] * 8
        assert not caller.is_open
        caller.close()

    asyncio.run(main())


def caller_of(**values: object) -> Caller:
    fixed = {"backend": "sagemaker", "endpoint_name": "garments"}
    return Caller(settings(**fixed, **values), Metrics())


def test_of_several_failures_the_last_is_told() -> None:
    failures = [EndpointFailed("its container fails"), EndpointThrottled("no more calls now")]

    def fail() -> None:
        raise Failure(failures.pop(0), again=True)

    async def main() -> None:
        caller = caller_of(endpoint_attempts=2)
        with pytest.raises(EndpointThrottled, match="no more calls now"):
            await caller.patiently(fail, time.perf_counter() + 10)
        caller.close()

    asyncio.run(main())


def test_what_is_left_alone_is_told_at_once_and_for_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise Failure(EndpointFailed("its container fails"), again=False)

    async def main() -> None:
        caller = caller_of(endpoint_failures=1, endpoint_pause_seconds=5)
        end = time.perf_counter() + 30
        with pytest.raises(EndpointFailed):
            await caller.patiently(fail, end)
        # Who waited so long before another attempt would find it open to calls.
        monkeypatch.setattr("app.calls.random.uniform", lambda *_: 6.0)
        with pytest.raises(EndpointUnavailable) as told:
            await caller.patiently(pytest.fail, end)
        assert told.value.retry_after in range(2, 6)
        caller.close()

    asyncio.run(main())
