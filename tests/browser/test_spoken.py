"""What screen readers are told: how far a batch is, labels that are set, and what is not kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.labelling import OpenPage, answered, grey_photo

pytestmark = pytest.mark.browser

LISTEN = """() => {
  window.spoken = [];
  for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
    // Readers tell changes of what has been there; what has just come they may leave out.
    const told = () => region.textContent && spoken.push(region.textContent);
    new MutationObserver(told).observe(region, { childList: true, characterData: true });
  }
}"""


def _greys(folder: Path, number: int) -> list[Path]:
    return [grey_photo(folder, f"{each}.png", 4) for each in range(number)]


def _spoken(page: Page) -> list[str]:
    """All since it was asked last."""
    return page.evaluate("spoken.splice(0)")


def test_batch_is_told_in_summaries(grey_service: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(grey_service)
    page.clock.install()
    page.evaluate(LISTEN)
    held: list[Route] = []
    page.route("**/predict", lambda route: held.append(route))
    page.set_input_files("#files", _greys(tmp_path, 6))
    while len(held) < 4:
        page.wait_for_timeout(10)
    held.pop().continue_()
    expect(page.locator("#count")).to_have_text("1 of 6 photos")
    page.clock.fast_forward(10_000)
    held.pop().continue_()
    expect(page.locator("#count")).to_have_text("2 of 6 photos")
    held.pop().continue_()
    expect(page.locator("#count")).to_have_text("3 of 6 photos")
    for number in (4, 5, 6):
        while not held:
            page.wait_for_timeout(10)
        held.pop().continue_()
        expect(page.locator("#count")).to_have_text(f"{number} of 6 photos")
    expect(page.locator("#status")).to_contain_text("6 of 6 photos answered")
    assert _spoken(page) == [
        "2 of 6 answered.",
        "6 of 6 photos answered, 6 to look at, 0 failed.",
    ]


def test_answer_of_a_single_photo_is_told(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    page.evaluate(LISTEN)
    files = _greys(tmp_path, 1)
    answered(page, files)
    (text,) = _spoken(page)
    assert re.match(r"0\.png: Coat, \S+%, a person should look\. 1 of 1 ", text)
    page.set_input_files("#files", {"name": "b.jpg", "mimeType": "", "buffer": b"no photo"})
    expect(page.locator("#status")).to_contain_text("1 of 2 photos answered")
    (text,) = _spoken(page)
    assert text.startswith("b.jpg: Not a supported image format. ")
    page.set_input_files("#files", files)
    assert _spoken(page) == ["1 photo was here already."]


def test_labels_are_told_and_where_they_lead(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, _greys(tmp_path, 3))
    page.evaluate(LISTEN)
    page.locator(".card .thumbnail").first.click()
    page.keyboard.press("3")
    expect(page.locator(".card:focus")).to_have_accessible_name(re.compile(r"1\.png Coat .*%"))
    page.keyboard.press("n")
    page.keyboard.press("Backspace")
    page.locator(".card").first.get_by_role("button", name="Coat").click()
    assert _spoken(page) == [
        "0.png: Dress. 1 checked, 2 to look at.",
        "1.png: None of the ten. 2 checked, 1 to look at.",
        "1.png: label taken back. 1 checked, 2 to look at.",
        "0.png: Coat. 1 checked, 2 to look at.",
    ]


def test_it_is_told_once_that_labels_are_not_kept(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    page.evaluate("() => { Storage.prototype.setItem = () => { throw 1; }; }")
    answered(page, _greys(tmp_path, 3))
    page.evaluate(LISTEN)
    expect(page.get_by_role("alert")).to_have_count(1)
    page.locator(".card .thumbnail").first.click()
    for _ in range(3):
        page.keyboard.press("3")
    told = [text for text in _spoken(page) if "does not keep" in text]
    assert len(told) == 1
    assert "download the table" in told[0]
