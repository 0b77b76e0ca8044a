"""Answers that are not the service's: the page says so, and goes on with the other photos."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"
OpenPage = Callable[..., Page]
PORTAL = "<html>Log in to the network</html>"
CUT = '{"label": "Ankle bo'


def _boots(number: int) -> list[dict[str, object]]:
    content = ANKLE_BOOT.read_bytes()
    return [
        {"name": f"{each}.png", "mimeType": "image/png", "buffer": content}
        for each in range(number)
    ]


def _answer(page: Page, body: str, times: int) -> None:
    """Answer so many requests; `route(times=)` may leave one hanging that comes as it ends."""
    asked = itertools.count(1)

    def fulfil(route: Route) -> None:
        if next(asked) > times:
            route.continue_()
        else:
            route.fulfill(status=200, content_type="application/json", body=body)

    page.route("**/predict*", fulfil)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (PORTAL, "http_200"),
        (CUT, "http_200"),
        ("null", "http_200"),
        (json.dumps({"code": "of another program"}), "http_200"),
        (json.dumps({"probabilities": []}), "unusable_answer"),
    ],
)
def test_strange_answers_stop_nothing(
    service: str, open_page: OpenPage, body: str, code: str
) -> None:
    page = open_page(service)
    _answer(page, body, times=5)  # more than there are photos with the service at a time
    page.set_input_files("#files", _boots(8))
    expect(page.get_by_role("status")).to_contain_text(
        "3 of 8 photos answered, 0 to look at, 5 failed"
    )
    expect(page.locator("#cards code")).to_have_text([code] * 5)
    page.get_by_role("button", name="Try failed again").click()
    expect(page.get_by_role("status")).to_contain_text("0 failed")


def test_strange_answer_of_a_photo_that_is_not_listed(
    grey_service: str, open_page: OpenPage
) -> None:
    page = open_page(grey_service)
    lacking = json.dumps({"probabilities": [{"label": "Coat", "class_id": 4, "probability": 1}]})

    def fulfil(route: Route) -> None:
        if b"110.png" in (route.request.post_data_buffer or b""):
            route.fulfill(status=200, content_type="application/json", body=lacking)
        else:
            route.continue_()

    page.route("**/predict", fulfil)
    page.set_input_files("#files", _boots(120))
    expect(page.locator("#status")).to_contain_text("119 of 120 photos answered")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table").click()
    rows = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert len(rows) == 121
    assert "unusable_answer" in rows[111]
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(".card")).to_have_count(120)


def test_answer_that_stops_halfway_is_told_as_a_timeout(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.evaluate(
        """() => {
          const limit = AbortSignal.timeout;
          AbortSignal.timeout = () => limit.call(AbortSignal, 200);
          window.fetch = async (_, { signal }) => new Response(new ReadableStream({
            start: (stream) => {
              stream.enqueue(new TextEncoder().encode('{"label": '));
              signal.addEventListener("abort", () => stream.error(signal.reason));
            },
          }));
        }"""
    )
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.locator("#cards code")).to_have_text("timeout")


def test_browser_that_cannot_join_signals_reaches_the_service(
    service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    page.evaluate("() => { delete AbortSignal.any; }")  # as in Safari before 17.4
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.locator("#cards .label")).not_to_be_empty()


@pytest.mark.parametrize("body", [PORTAL, json.dumps({"probabilities": []})])
def test_why_is_asked_again_after_a_strange_answer(
    service: str, open_page: OpenPage, body: str
) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.locator(".label")).not_to_be_empty()
    _answer(page, body, times=1)
    why = page.locator(".why")
    page.get_by_text("Show why").click()
    why.get_by_role("button", name="Try again").click()
    expect(why.locator("img")).to_have_count(2)
