"""The proxy before a real container: proxy -> boto3 -> the stand-in -> `serve`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.artifact import Artifact
from tests.app.conftest import encode, metric, photo, png_bomb
from tests.integration.aws import Aws, running_aws
from tests.integration.services import Process, started, wait_for

pytestmark = pytest.mark.aws

PNG = encode(photo(), "PNG")
NAME = "garments"


@dataclass
class Chain:
    """All that stands behind a proxy, and the proxy."""

    aws: Aws
    container: Process
    proxy: Process
    fault_file: Path

    def fail(self, **fault: object) -> None:
        self.fault_file.write_text(json.dumps(fault))

    def work(self) -> None:
        """Again, and the breaker closed."""
        self.fault_file.unlink(missing_ok=True)
        wait_for(self.proxy, "/health/ready", 200)
        end = time.monotonic() + 20
        while self.post().status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.2)

    def post(self, content: bytes = PNG, query: str = ""):
        return self.proxy.client.post(f"/predict{query}", content=content)


def create_endpoint(aws: Aws) -> None:
    sagemaker = aws.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/garments"
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/garments:1"
    sagemaker.create_model(ModelName=NAME, ExecutionRoleArn=role, PrimaryContainer={"Image": image})
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": NAME,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.c5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)


def proxy_environment(aws: Aws, **settings: str) -> dict[str, str]:
    return {
        **aws.environment(),
        "GARMENT_BACKEND": "sagemaker",
        "GARMENT_ENDPOINT_NAME": NAME,
        "GARMENT_DEADLINE_SECONDS": "5",
        "GARMENT_ENDPOINT_FAILURES": "6",
        "GARMENT_ENDPOINT_PAUSE_SECONDS": "1",
        **settings,
    }


@pytest.fixture(scope="module")
def chain(tiny_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    variables = {"GARMENT_MODEL": str(tiny_artifact.path), "GARMENT_CACHE": str(folder / "cache")}
    with started(folder / "container.log", variables, "serve", ready="/ping") as container:
        fault_file = folder / "fault.json"
        upstream = str(container.client.base_url).rstrip("/")
        standin = {"ENDPOINT_UPSTREAM": upstream, "ENDPOINT_FAULT": str(fault_file)}
        with running_aws(folder, standin) as aws:
            create_endpoint(aws)
            with started(folder / "proxy.log", proxy_environment(aws)) as proxy:
                yield Chain(aws, container, proxy, fault_file)


@pytest.fixture(autouse=True)
def _healthy(chain: Chain) -> Iterator[None]:
    yield
    chain.work()


def comparable(answer: dict) -> dict:
    changing = {"timings_ms", "request_id", "probabilities", "confidence", "garment_probability"}
    kept = {key: value for key, value in answer.items() if key not in changing}
    return {**kept, "model": {**kept["model"], "variant": None}}


def test_it_answers_as_the_container_does(chain: Chain) -> None:
    ours = chain.post().json()
    theirs = chain.container.client.post("/predict", content=PNG).json()
    assert comparable(ours) == comparable(theirs)
    assert ours["model"]["variant"] == "AllTraffic"
    for mine, other in zip(ours["probabilities"], theirs["probabilities"], strict=True):
        assert mine["probability"] == pytest.approx(other["probability"], abs=0.02)


def test_everything_but_the_photo_works_as_well(chain: Chain) -> None:
    client = chain.proxy.client
    assert client.get("/model").json() == chain.container.client.get("/model").json()
    items = client.post("/predict/batch", files=[("files", PNG), ("files", b"text")]).json()[
        "items"
    ]
    assert items[0]["prediction"]["label"] == chain.post().json()["label"]
    assert items[1]["error"]["code"] == "unsupported_format"
    # First the container by itself, whose first explanation takes longer than the proxy waits.
    theirs = chain.container.client.post("/predict?explain=true", content=PNG).json()
    explained = chain.post(query="?explain=true&top_k=2").json()
    assert explained["explanation"] == theirs["explanation"]
    assert len(explained["probabilities"]) == 2
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"text", 415, "unsupported_format"),
        (PNG[:60], 422, "corrupt_image"),
        (png_bomb(), 413, "image_too_large"),
    ],
)
def test_bad_photos_are_refused_before_they_cost_a_call(chain, content, status, code) -> None:
    chain.fail(status=500, error="InternalFailure")
    response = chain.post(content)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_too_small_and_blank_are_said_of_the_upload(chain: Chain) -> None:
    narrow = chain.post(encode(photo(4000, 200), "PNG")).json()
    assert "too_small" not in narrow["review_reasons"]  # though it is sent on 22 pixels high
    assert "too_small" in chain.post(encode(photo(20, 90), "PNG")).json()["review_reasons"]


def test_a_hiccup_is_tried_again(chain: Chain) -> None:
    for status, error in ((500, "InternalFailure"), (400, "ThrottlingException")):
        chain.fail(status=status, error=error, times=2)
        assert chain.post().status_code == 200


def test_throttled(chain: Chain) -> None:
    chain.fail(status=400, error="ThrottlingException")
    for _ in range(9):  # and it is not left alone: it works
        response = chain.post()
        assert (response.status_code, response.json()["code"]) == (503, "endpoint_throttled")
        assert response.headers["retry-after"] == "2"
    chain.fault_file.unlink()
    assert chain.post().status_code == 200


def test_slow(chain: Chain) -> None:
    chain.fail(seconds=8.0, times=1)
    begun = time.monotonic()
    response = chain.post()
    assert (response.status_code, response.json()["code"]) == (504, "endpoint_timeout")
    assert time.monotonic() - begun < 8


def test_what_keeps_failing_is_left_alone_and_comes_back(chain: Chain) -> None:
    chain.fail(status=503, error="ServiceUnavailable")
    for _ in range(2):  # three attempts each
        response = chain.post()
        assert (response.status_code, response.json()["code"]) == (503, "endpoint_unavailable")
    before = metric_of(chain)
    response = chain.post()
    assert "left alone" in response.json()["detail"]
    assert int(response.headers["retry-after"]) >= 1
    assert metric_of(chain) == before + 1  # refused once, and not called
    ready = chain.proxy.client.get("/health/ready")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert chain.proxy.client.get("/health/live").status_code == 200
    chain.work()


def metric_of(chain: Chain) -> float:
    return metric(
        chain.proxy.client, 'garment_endpoint_failures_total{code="endpoint_unavailable"}'
    )


def test_many_at_once(chain: Chain) -> None:
    with ThreadPoolExecutor(24) as pool:
        statuses = list(pool.map(lambda _: chain.post().status_code, range(96)))
    assert set(statuses) == {200}


def test_gone_and_back(chain: Chain) -> None:
    sagemaker = chain.aws.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName=NAME)
    response = chain.post()
    assert (response.status_code, response.json()["code"]) == (503, "endpoint_unavailable")
    wait_for(chain.proxy, "/health/ready", 503)
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    wait_for(chain.proxy, "/health/ready", 200)
    assert chain.post().status_code == 200


def test_it_waits_for_an_endpoint_that_is_not_there_yet(chain: Chain, tmp_path: Path) -> None:
    variables = proxy_environment(chain.aws, GARMENT_ENDPOINT_NAME="later")
    with started(tmp_path / "log", variables, ready="") as proxy:
        wait_for(proxy, "/health/ready", 503)
        refused = proxy.client.post("/predict", content=PNG)
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        chain.aws.client("sagemaker").create_endpoint(EndpointName="later", EndpointConfigName=NAME)
        wait_for(proxy, "/health/ready", 200)
        assert proxy.stop() == 0
    assert "waiting for the endpoint later: Missing" in proxy.log.read_text()


def test_no_engine_is_ever_loaded(chain: Chain) -> None:
    maps = Path(f"/proc/{chain.proxy.popen.pid}/maps")
    if not maps.exists():
        pytest.skip("tells what a process has loaded on Linux only")
    assert "openvino" in Path(f"/proc/{chain.container.popen.pid}/maps").read_text()
    for engine in ("openvino", "torch"):
        assert engine not in maps.read_text()


def test_wrong_settings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app"]
    variables = {"GARMENT_BACKEND": "sagemaker", "PATH": "/usr/bin"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "GARMENT_ENDPOINT_NAME has to name the endpoint" in done.stderr
    variables |= {"GARMENT_ENDPOINT_NAME": NAME, "GARMENT_PORT": "0", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "AWS cannot be used as it is configured: You must specify a region" in done.stderr
    assert "Traceback" not in done.stderr
