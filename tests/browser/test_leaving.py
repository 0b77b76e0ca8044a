"""Leaving the page and coming back: nothing is lost without a question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"
OpenPage = Callable[..., Page]


def _boot(name: str) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": ANKLE_BOOT.read_bytes()}


def _asks(page: Page) -> bool:
    """Whether a reload asks first. It is refused, so that the page stays as it is."""
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", refuse)
    page.locator("h1").click()  # browsers ask only where somebody has done something
    page.evaluate("() => { window.before = true; location.reload(); }")
    page.wait_for_timeout(500)
    stayed = page.evaluate("() => window.before === true")
    assert stayed == (asked == ["beforeunload"])
    return stayed


def test_page_without_photos_is_left_at_once(service: str, open_page: OpenPage) -> None:
    assert not _asks(open_page(service))


def test_answers_are_lost_only_if_wanted(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.get_by_role("status")).to_contain_text("1 of 1 photos answered")
    assert _asks(page)
    with page.expect_download():
        page.get_by_role("button", name="Download table").click()
    assert not _asks(page)


def test_cleared_page_is_left_at_once(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear").click()
    assert not _asks(page)


def test_clear_asks_while_answers_would_be_lost(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    clear = page.get_by_role("button", name="Clear")
    page.set_input_files("#files", [_boot("1.png"), _boot("2.png")])
    expect(page.get_by_role("status")).to_contain_text("2 of 2 photos answered")
    clear.click()
    with page.expect_download():
        page.get_by_role("button", name="Download table").click()
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.get_by_role("status")).to_contain_text("3 of 3 photos answered")
    clear.click()
    expect(page.locator(".label")).to_have_count(3)
    assert asked == [
        "Forget all photos? 2 are not in a downloaded table.",
        "Forget all photos? 1 is not in a downloaded table.",
    ]
    with page.expect_download():
        page.get_by_role("button", name="Download table").click()
    clear.click()
    expect(page.locator("#results")).to_be_hidden()
    assert len(asked) == 2


def test_table_without_all_answers_is_not_enough(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.locator(".label")).not_to_be_empty()
    held: list[Route] = []
    page.route("**/predict", lambda route: held.append(route))
    page.set_input_files("#files", _boot("2.png"))
    with page.expect_download():
        page.get_by_role("button", name="Download table").click()
    assert _asks(page)
    for route in held:
        route.continue_()


def test_links_leave_the_answers_where_they_are(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    for name, address in (("Model card", "model"), ("API", "docs")):
        with page.expect_popup() as popup:
            page.get_by_role("link", name=name).click()
        expect(popup.value).to_have_url(f"{service}/{address}")
    expect(page.locator(".label")).not_to_be_empty()


def test_filter_after_back_is_the_one_that_is_marked(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"none"})
    page.get_by_text("Failed 1").click()
    page.goto(f"{service}/docs")
    page.go_back()
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.get_by_role("listitem").first).to_be_visible()
    expect(page.get_by_role("radio", name="All")).to_be_checked()
