# ruff: noqa: F401 - the checks that are imported run here too, with this file's `container`.
"""An endpoint's container as SageMaker starts it: `serve`, a mounted model, SIGTERM.

All of it twice: the process as it is, and the image in a Docker engine.
"""

from __future__ import annotations

import concurrent.futures
import json
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.artifact import Artifact
from tests.app.conftest import encode, metric, photo, until
from tests.app.test_invocations import (
    PNG,
    expected,
    same,
    test_a_form,
    test_a_list_of_one_is_answered_as_a_list,
    test_accept,
    test_an_image_as_the_body_whatever_its_type,
    test_bad_photos,
    test_json_of_one,
    test_json_of_several,
    test_lines_have_an_answer_or_an_error_each,
    test_ping,
    test_the_card_is_given_on_demand,
    test_wishes_come_as_custom_attributes,
    test_wrong_json,
)
from tests.integration import containers, services

KINDS = [
    pytest.param("process", marks=pytest.mark.aws),
    pytest.param("image", marks=containers.NEEDS_ENGINE),
]
each_kind = pytest.mark.parametrize("kind", KINDS)
pytestmark = pytest.mark.timeout(900)

# So that answers depend neither on the processor nor on the size of a batch.
EXACT = {"GARMENT_ENGINE": "torchscript", "GARMENT_PRECISION": "float32", "GARMENT_THREADS": "1"}


@dataclass
class Endpoint:
    """A running container: its HTTP, SIGTERM and its exit status, its end by itself, its log."""

    client: httpx.Client
    stop: Callable[[], int]
    wait: Callable[[], int]
    log: Callable[[], str]

    def wait_for(self, path: str) -> None:
        containers.wait_for(self.client, path, 200)


@contextmanager
def started(kind: str, model: Path, cache: Path, *, ready: bool = True, **variables: str):
    """A container with the folder `model` where SageMaker mounts it."""
    with (_process if kind == "process" else _image)(model, cache, {**EXACT, **variables}) as it:
        if ready:
            it.wait_for("/ping")
        yield it


@contextmanager
def _process(model: Path, cache: Path, variables: dict[str, str]) -> Iterator[Endpoint]:
    folders = {"GARMENT_MODEL": str(model), "GARMENT_CACHE": str(cache)}
    log = cache.with_suffix(".log")
    with services.started(log, {**folders, **variables}, "serve", ready="") as process:
        yield Endpoint(
            process.client, process.stop, lambda: process.popen.wait(60), process.log.read_text
        )


@contextmanager
def _image(model: Path, cache: Path, variables: dict[str, str]) -> Iterator[Endpoint]:
    model.chmod(0o755)  # the container's user is another
    options = [f"--volume={model}:/opt/ml/model:ro", "--volume=/var/cache/garment-classifier"]
    options += [f"--env={name}={value}" for name, value in variables.items()]
    with containers.running(
        containers.build("service"), *options, arguments=("serve",)
    ) as container:
        yield Endpoint(
            container.client,
            container.stop,
            lambda: int(containers.docker("wait", container.id)),
            container.log,
        )


@pytest.fixture(scope="module")
def model(tiny_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.pt."""
    folder = tmp_path_factory.mktemp("model")
    shutil.copyfile(tiny_artifact.path, folder / "model.pt")
    return folder


@pytest.fixture(scope="module", params=KINDS)
def container(
    request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    with started(request.param, model, tmp_path_factory.mktemp("one") / "cache") as endpoint:
        yield endpoint.client


@each_kind
@pytest.mark.parametrize("packed", [False, True])
def test_it_serves_what_is_mounted(tiny_artifact, model, tmp_path, kind, packed) -> None:
    if packed:
        folder = tmp_path / "packed"
        folder.mkdir()
        with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
            tar.add(model / "model.pt", "model.pt")
        model = folder
    with started(kind, model, tmp_path / "cache") as endpoint:
        answer = endpoint.client.post("/invocations", content=PNG)
        assert answer.json()["model"]["sha256"] == tiny_artifact.sha256
        assert endpoint.stop() == 0
        assert '"message": "stopped"' in endpoint.log()


@each_kind
def test_batch_transform_gets_a_line_for_each_photo(model, tmp_path, kind) -> None:
    with started(kind, model, tmp_path / "cache", SAGEMAKER_BATCH="true") as endpoint:
        good = endpoint.client.post("/invocations", content=PNG)
        assert same(json.loads(good.text), endpoint.client.post("/predict", content=PNG).json())
        assert "\n" not in good.text  # SageMaker adds its own, with AssembleWith: Line
        bad = endpoint.client.post("/invocations", content=b"text")
        assert (bad.status_code, bad.json()["code"]) == (200, "unsupported_format")


@each_kind
def test_sigterm_finishes_what_was_accepted(model, tmp_path, kind) -> None:
    # The machine may have other work: what is asked here is not how fast it is.
    slow = {"GARMENT_DEADLINE_SECONDS": "25"}
    with (
        started(kind, model, tmp_path / "cache", **slow) as endpoint,
        concurrent.futures.ThreadPoolExecutor(16) as pool,
    ):
        large = encode(photo(4000, 3000), "PNG")
        calls = [
            pool.submit(endpoint.client.post, "/invocations", content=large) for _ in range(16)
        ]

        def accepted() -> bool:
            working = metric(endpoint.client, "garment_images_in_work")
            return working + sum(call.done() for call in calls) >= len(calls)

        until(accepted)
        assert not all(call.done() for call in calls)
        begun = time.monotonic()
        assert endpoint.stop() == 0
        assert time.monotonic() - begun < 30
        assert {call.result().status_code for call in calls} == {200}


@each_kind
def test_a_folder_without_a_model_ends_the_container(tmp_path, kind) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with started(kind, empty, tmp_path / "cache", ready=False) as endpoint:
        assert endpoint.wait() == 1
        assert "holds none of model.pt" in endpoint.log()


@each_kind
def test_ping_says_503_until_it_is_ready(model, tmp_path, kind) -> None:
    with started(kind, model, tmp_path / "cache", ready=False) as endpoint:
        endpoint.wait_for("/health/live")
        seen = set()
        while 200 not in seen:
            seen.add(endpoint.client.get("/ping").status_code)
        assert seen == {503, 200}
