"""What the page shows of the model's doubts, and why an answer is what it is."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.labelling import without_service

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"
OpenPage = Callable[..., Page]


def _grey(level: int) -> dict[str, object]:
    file = BytesIO()
    Image.new("L", (64, 64), level).save(file, "PNG")
    return {"name": f"{level}.png", "mimeType": "image/png", "buffer": file.getvalue()}


def _add(page: Page, photo: object) -> Locator:
    page.set_input_files("#files", photo)
    card = page.get_by_role("listitem").first
    expect(card.locator(".label")).not_to_be_empty()
    return card


def test_why_is_asked_for_once_and_shows_both_pictures(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "?" in request.url else None)
    card = _add(page, ANKLE_BOOT)
    expect(card.locator(".why img")).to_have_count(0)
    assert asked == []

    card.get_by_text("Show why").click()
    label = card.locator(".label").inner_text()
    seen = card.get_by_role("img", name="What the model saw")
    heatmap = card.get_by_role("img", name=f"where the evidence for {label} lies")
    for picture, edge in ((seen, 112), (heatmap, 336)):
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("naturalWidth", edge)
        expect(picture).to_have_js_property("naturalHeight", edge)
    expect(card.get_by_text(f"What speaks for {label}")).to_be_visible()

    card.get_by_text("Show why").click()
    expect(seen).to_be_hidden()
    card.get_by_text("Show why").click()
    expect(seen).to_be_visible()
    assert asked == [f"{service}/predict?explain=true"]


def test_what_was_opened_stays_open_when_a_person_says_what_it_shows(
    service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "?" in request.url else None)
    card = _add(page, ANKLE_BOOT)
    card.get_by_text("Show why").click()
    card.get_by_text("All ten, and details").click()
    expect(card.locator(".why img")).to_have_count(2)
    card.get_by_role("button", name="Trouser").click()
    expect(card).to_contain_text("Checked")
    expect(card.locator(".why img").first).to_be_visible()
    expect(card.get_by_role("button", name="None of these")).to_be_visible()
    assert len(asked) == 1


def test_why_is_asked_again_after_an_error(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    expect(page.locator("footer")).to_contain_text("version")
    card = _add(page, ANKLE_BOOT)
    with without_service(page):
        card.get_by_text("Show why").click()
        expect(card.locator("code")).to_have_text("unreachable")
    card.get_by_role("button", name="Try again").click()
    expect(card.locator(".figures img")).to_have_count(2)
    expect(card.locator("code")).to_have_count(0)


def test_why_of_a_model_without_a_map(grey_service: str, open_page: OpenPage) -> None:
    card = _add(open_page(grey_service), ANKLE_BOOT)
    card.get_by_text("Show why").click()
    expect(card.get_by_text("This model has no map")).to_be_visible()
    expect(card.locator(".why img")).to_have_count(1)


def test_labels_that_are_likely_are_listed(grey_service: str, open_page: OpenPage) -> None:
    page = open_page(grey_service)
    for level in (89, 102):  # in the middle of class 3, and between it and class 4
        photo = _grey(level)
        answer = httpx.post(f"{grey_service}/predict", files={"file": photo["buffer"]}).json()
        card = _add(page, photo)
        if level == 89:
            assert answer["labels"] == ["Dress"]
            expect(card.get_by_text("Likely: Dress only")).to_be_visible()
        else:
            assert set(answer["labels"]) == {"Dress", "Coat"}
            first, second = answer["labels"]
            expect(card.get_by_text(f"Likely: {first}, {second}")).to_be_visible()
            expect(card).to_contain_text("More than one category is likely.")
    none = "async () => (await import('./web/words.js')).likely({ labels: [] })"
    assert page.evaluate(none) == "No category is likely enough"


def test_what_looks_like_no_garment_is_said_to(grey_service: str, open_page: OpenPage) -> None:
    page = open_page(grey_service)
    card = _add(page, _grey(255))
    expect(card).to_contain_text("May be no garment: ")
    expect(card.locator(".label")).to_have_class("label doubtful")
    card = _add(page, _grey(140))
    expect(card).not_to_contain_text("May be no garment")
    expect(card.locator(".label")).to_have_class("label")
