"""A real service process, and Chromium that talks to it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.training.grey_model import save_grey_model

# On a machine that is busy with other things.
SECONDS_TO_START = 240
SECONDS_TO_WAIT = 90
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Chromium itself reports every answer of 400 and above; those of the API are part of the tests.
_REFUSED_BY_API = re.compile(r"Failed to load resource: the server responded .*")
_API = ("/predict", "/predict/batch", "/model")


@contextmanager
def _serving(log: Path, **settings: str) -> Iterator[str]:
    """The address of a service with the bundled model, ready, on a free port."""
    environment = {name: value for name, value in os.environ.items() if "GARMENT_" not in name}
    environment |= {"GARMENT_PORT": "0", "GARMENT_LOG_FORMAT": "text", **settings}
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "app"], env=environment, stderr=file)
    try:
        yield _wait_until_ready(process, log)
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        listening = re.search(r"listening on (http://\S+)", log.read_text())
        with suppress(httpx.TransportError):  # it has the port, but does not answer yet
            if listening and httpx.get(f"{listening[1]}/health/ready", timeout=30).is_success:
                return listening[1]
        time.sleep(0.2)
    pytest.fail(f"the service did not become ready:\n{log.read_text()}")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with its default settings."""
    with _serving(tmp_path_factory.mktemp("service") / "log") as address:
        yield address


@pytest.fixture(scope="session")
def small_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that takes one image at a time and refuses all others."""
    one = {"GARMENT_MAX_IMAGES_IN_WORK": "1", "GARMENT_MAX_BATCH_IMAGES": "1"}
    with _serving(tmp_path_factory.mktemp("small-service") / "log", **one) as address:
        yield address


@pytest.fixture(scope="session")
def grey_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service whose model names a class by the grey level; see its module."""
    folder = tmp_path_factory.mktemp("grey-service")
    model = str(save_grey_model(folder / "model.pt", rejects=True))
    settings = {"GARMENT_MODEL": model, "GARMENT_PRECISION": "float32"}
    with _serving(folder / "log", **settings) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is missing (Debian, Ubuntu: apt install chromium)")
    expect.set_options(timeout=1000 * SECONDS_TO_WAIT)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address as `new_context(**options)` would; at the end nothing may have gone wrong.

    Nothing wrong: no request to another host, no error on the console (such as one of the
    Content-Security-Policy), no exception.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_it(address: str, **options: object) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(1000 * SECONDS_TO_WAIT)
        contexts.append(context)
        page = context.new_page()
        host = urlsplit(address).netloc

        def check_console(message: ConsoleMessage) -> None:
            path = urlsplit(message.location.get("url", "")).path
            refused = _REFUSED_BY_API.fullmatch(message.text) and path in _API
            offline = "net::ERR_INTERNET_DISCONNECTED" in message.text
            if message.type == "error" and not refused and not offline:
                wrong.append(f"console: {message.text} ({message.location.get('url')})")

        def check_host(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme not in ("blob", "data") and parts.netloc != host:
                wrong.append(f"request to another host: {url}")

        context.on("request", lambda request: check_host(request.url))
        page.on("console", check_console)
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.goto(address)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []
