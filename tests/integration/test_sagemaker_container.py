"""The endpoint's container as SageMaker starts it: `serve`, a mounted model, SIGTERM."""

from __future__ import annotations

import concurrent.futures
import shutil
import tarfile
import time
from pathlib import Path

import pytest

from app.artifact import Artifact
from tests.app.conftest import encode, photo
from tests.integration.services import started, wait_for

pytestmark = pytest.mark.aws


def environment(folder: Path, cache: Path) -> dict[str, str]:
    return {"GARMENT_MODEL": str(folder), "GARMENT_CACHE": str(cache)}


@pytest.mark.parametrize("packed", [False, True])
def test_it_serves_what_is_mounted(tiny_artifact: Artifact, tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    if packed:
        with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
            tar.add(tiny_artifact.path, "model.pt")
    else:
        shutil.copy(tiny_artifact.path, folder)
    variables = environment(folder, tmp_path / "cache")
    with started(tmp_path / "log", variables, "serve", ready="/ping") as container:
        answer = container.client.post("/invocations", content=encode(photo(), "PNG"))
        assert answer.json()["model"]["sha256"] == tiny_artifact.sha256
        assert container.stop() == 0
    assert '"message": "stopped"' in container.log.read_text()


def test_sigterm_finishes_what_was_accepted(tiny_artifact: Artifact, tmp_path: Path) -> None:
    variables = environment(tiny_artifact.path.parent, tmp_path / "cache")
    with (
        started(tmp_path / "log", variables, "serve", ready="/ping") as container,
        concurrent.futures.ThreadPoolExecutor(24) as pool,
    ):
        large = encode(photo(4000, 3000), "PNG")
        calls = [
            pool.submit(container.client.post, "/invocations", content=large) for _ in range(24)
        ]
        time.sleep(0.5)  # until they are accepted
        begun = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - begun < 30
        assert {call.result().status_code for call in calls} == {200}


def test_a_folder_without_a_model_ends_the_container(tmp_path: Path) -> None:
    variables = environment(tmp_path, tmp_path / "cache")
    with started(tmp_path / "log", variables, "serve", ready="") as container:
        assert container.popen.wait(60) == 1
    assert "holds none of model.pt" in container.log.read_text()


def test_ping_says_503_until_it_is_ready(tiny_artifact: Artifact, tmp_path: Path) -> None:
    variables = environment(tiny_artifact.path.parent, tmp_path / "cache")
    with started(tmp_path / "log", variables, "serve", ready="") as container:
        wait_for(container, "/health/live", 200)
        seen = set()
        while 200 not in seen:
            seen.add(container.client.get("/ping").status_code)
        assert seen == {503, 200}
