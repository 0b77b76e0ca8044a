"""Where `docker/install.py` takes PyTorch from, with real sockets."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from threading import Thread

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docker/install.py"
_spec = importlib.util.spec_from_file_location("install", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
install = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(install)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index that has torch."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/index.html").write_text("<a href='torch-2.13.0+cpu.whl'>torch</a>")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_cpu_index_is_used_on_linux_where_it_answers(index: str) -> None:
    arguments, message = install.torch_source("Linux", index)
    assert arguments == ["--extra-index-url", index]
    assert "CPU build" in message


def test_index_without_torch_is_not_used(index: str) -> None:
    arguments, message = install.torch_source("Linux", f"{index}/nowhere")
    assert arguments == []
    assert "cannot be reached" in message


def test_silent_index_is_given_up_in_time() -> None:
    with create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert not install.is_reachable(url, seconds=0.3)
        assert time.monotonic() - begin < 1


@pytest.mark.parametrize(("system", "url"), [("Darwin", "http://127.0.0.1:1"), ("Linux", "")])
def test_no_index_is_asked_where_none_is_needed(
    system: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "urlopen", lambda *_, **__: pytest.fail("asked"))
    assert install.torch_source(system, url)[0] == []


def test_where_the_cpus_build_is_asked_for_no_other_is_taken() -> None:
    """As in the images; without an index, on purpose, pip is asked."""
    for index, said in (
        ("http://127.0.0.1:1", "cannot be reached"),
        ("", "(TORCH_INDEX is empty)"),
    ):
        answer = subprocess.run(
            [sys.executable, SCRIPT, "--no-index", "--dry-run", "no-such-package"],
            env={**os.environ, "TORCH_INDEX": index, "TORCH_CPU_ONLY": "1"},
            capture_output=True,
            text=True,
        )
        assert answer.returncode != 0
        assert said in answer.stdout + answer.stderr
        assert ("no-such-package" in answer.stderr) == (index == "")


@pytest.mark.skipif(sys.platform != "linux", reason="no index is asked elsewhere")
@pytest.mark.parametrize(("cuda", "status"), [("None", 0), ("'12.8'", 1)])
def test_a_build_with_cuda_that_came_all_the_same_is_refused(
    index: str, tmp_path: Path, cuda: str, status: int
) -> None:
    """Such as where the index is lost on the way."""
    (tmp_path / "torch/__init__.py").write_text(f"class version:\n    cuda = {cuda}\n")
    answer = subprocess.run(
        [sys.executable, SCRIPT, "--no-index", "--dry-run", "pip"],
        env={
            **os.environ, "TORCH_INDEX": index, "TORCH_CPU_ONLY": "1", "PYTHONPATH": str(tmp_path)
        },
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert answer.returncode == status, answer.stderr
    assert ("built for CUDA 12.8" in answer.stderr) == (status == 1)


def test_pip_is_held_to_the_locked_versions() -> None:
    answer = subprocess.run(
        [sys.executable, SCRIPT, "--no-index", "pillow<1"],
        env={**os.environ, "TORCH_INDEX": ""},
        capture_output=True,
        text=True,
    )
    assert answer.returncode != 0
    assert "(constraint)" in answer.stdout + answer.stderr
