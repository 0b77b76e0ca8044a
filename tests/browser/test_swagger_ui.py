"""A tester at /docs: choose a file, execute, see the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"


def _open(page: Page, path: str) -> Locator:
    """The block of `POST path`."""
    operation = page.locator(".opblock-post").filter(
        has=page.locator(f".opblock-summary-path[data-path='{path}']")
    )
    operation.locator(".opblock-summary-control").click()
    return operation


def _execute(page: Page, path: str, files: Path | list[Path | None] | dict[str, object]) -> Locator:
    """Try `POST path` out, no file in a row for `None`; the block with the answer that came."""
    operation = _open(page, path)
    operation.get_by_role("button", name="Try it out").click()
    for number, file in enumerate(files if isinstance(files, list) else [files]):
        if number > 0:  # the form begins with one slot
            operation.get_by_role("button", name="Add string item").click()
        if file is not None:
            operation.locator("input[type=file]").nth(number).set_input_files(file)
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table tr.response")
    expect(answer).to_be_visible()
    return answer


def test_predict_is_tried_out(service: str, open_page: Callable[..., Page]) -> None:
    answer = _execute(open_page(f"{service}/docs"), "/predict", ANKLE_BOOT)
    expect(answer.locator("td.response-col_status")).to_contain_text("200")
    body = json.loads(answer.locator(".highlight-code code").first.inner_text())
    assert body["label"] == body["probabilities"][0]["label"]
    assert len(body["probabilities"]) == 10


def test_behind_a_path_of_its_own(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(service)
    page.route(
        f"{service}/garments/**",
        lambda route: route.continue_(url=route.request.url.replace("/garments", "")),
    )
    page.goto(f"{service}/garments/docs")
    answer = _execute(page, "/predict", ANKLE_BOOT)
    expect(answer.locator("td.response-col_status")).to_contain_text("200")
    expect(page.locator(".request-url pre")).to_contain_text("/garments/predict")


def test_wrong_file_gets_its_problem(service: str, open_page: Callable[..., Page]) -> None:
    text = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}
    answer = _execute(open_page(f"{service}/docs"), "/predict", text)
    expect(answer.locator("td.response-col_status")).to_contain_text("415")
    expect(answer).to_contain_text("unsupported_format")


def test_batch_is_tried_out(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{service}/docs")
    answer = _execute(page, "/predict/batch", [ANKLE_BOOT, ANKLE_BOOT])
    expect(answer.locator("td.response-col_status")).to_contain_text("200")
    body = json.loads(answer.locator(".highlight-code code").first.inner_text())
    assert [item["filename"] for item in body["items"]] == ["ankle-boot.png"] * 2
    assert all(item["prediction"] for item in body["items"])


def test_a_row_left_empty_is_no_photo_of_the_batch(
    service: str, open_page: Callable[..., Page]
) -> None:
    answer = _execute(open_page(f"{service}/docs"), "/predict/batch", [ANKLE_BOOT, None])
    expect(answer.locator("td.response-col_status")).to_contain_text("200")
    body = json.loads(answer.locator(".highlight-code code").first.inner_text())
    assert [item["filename"] for item in body["items"]] == ["ankle-boot.png"]


def test_each_error_shows_its_own_example(service: str, open_page: Callable[..., Page]) -> None:
    operation = _open(open_page(f"{service}/docs"), "/predict")
    response = operation.locator("tr.response[data-code='413']")
    response.locator("select.examples-select-element").select_option("image_too_large")
    expect(response.locator(".highlight-code code")).to_contain_text('"code": "image_too_large"')
    expect(response.locator(".highlight-code code")).to_contain_text('"status": 413')
