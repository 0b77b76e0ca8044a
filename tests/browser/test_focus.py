"""The page with the keyboard alone: the focus stays where it can be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.labelling import without_service

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"
OpenPage = Callable[..., Page]
OVERLAP = """() => document.querySelector(".toolbar").getBoundingClientRect().bottom
  - document.activeElement.getBoundingClientRect().top"""


def test_focus_of_a_card_that_leaves_the_filter(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    with without_service(page):
        page.set_input_files("#files", ANKLE_BOOT)
        page.get_by_text("Failed 1").click()
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.get_by_text("No photo here.")).to_be_visible()
    expect(page.get_by_role("radio", name="Failed")).to_be_focused()


def test_focus_of_a_why_that_is_asked_again(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    why = page.get_by_text("Show why")
    expect(why).to_be_visible()
    with without_service(page):
        why.press("Enter")
        again = page.get_by_role("button", name="Try again")
        again.press("Enter")
        expect(why).to_be_focused()
        expect(again).to_be_visible()  # this asking has failed too: it is not answered after all
    again.press("Enter")
    expect(page.locator(".why img")).to_have_count(2)
    expect(why).to_be_focused()


def test_focus_stays_on_the_choice_that_a_key_has_pressed(
    service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    details = page.locator("summary").filter(has_text="All ten, and details")
    details.press("Enter")
    choice = page.locator(".choice[data-choice=Trouser]")  # among the less likely ones
    choice.focus()
    for key, pressed in (("Space", "true"), ("Space", "false"), ("Enter", "true")):
        page.keyboard.press(key)
        expect(choice).to_have_attribute("aria-pressed", pressed)
        expect(choice).to_be_focused()
    for _ in range(3):  # held
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    expect(choice).to_have_attribute("aria-pressed", "false")

    choice.press("Space")
    details.press("Enter")
    choice.press("Space")  # it is in what is closed again
    expect(choice).to_be_hidden()
    expect(page.locator(".card")).to_be_focused()


def test_keys_after_a_click_are_for_the_card(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    page.locator(".choice").nth(1).click()
    expect(page.locator(".card")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", pressed=True)).to_have_count(1)


@pytest.mark.parametrize("width", [960, 1280])
def test_focus_does_not_go_below_the_toolbar(service: str, open_page: OpenPage, width: int) -> None:
    page = open_page(service, viewport={"width": width, "height": 800})
    content = ANKLE_BOOT.read_bytes()
    photos = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": content} for n in range(16)]
    page.set_input_files("#files", photos)
    expect(page.get_by_role("status")).to_contain_text("16 of 16 photos answered")
    # As after a failure: the toolbar then has two rows in the narrower window.
    page.evaluate("() => { document.getElementById('retry').hidden = false; }")
    page.get_by_role("link", name="Model card").focus()
    for _ in range(5 * len(photos)):  # each has three things to choose, and two to open
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("() => document.activeElement.closest('.card') !== null")
        assert page.evaluate(OVERLAP) <= 0
