"""A photo that lies on its side is shown upright, and its card and table tell how it was turned."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "ankle-boot.png"


def _lying(name: str, turn: Image.Transpose | None = None) -> dict[str, object]:
    photo, file = Image.open(SAMPLE), io.BytesIO()
    (photo if turn is None else photo.transpose(turn)).save(file, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}


def test_a_photo_on_its_side_is_shown_upright(open_page: Callable[..., Page], service: str) -> None:
    page = open_page(service)
    photos = [_lying("side.png", Image.Transpose.ROTATE_90), _lying("upright.png")]
    page.set_input_files("#files", photos)
    for name, degrees in (("side.png", 90), ("upright.png", 0)):
        card = page.locator(".card").filter(has_text=name)
        expect(card.locator(".label")).to_have_text("Ankle boot")
        expect(card.locator(".thumbnail")).to_have_css("rotate", f"{degrees}deg")
        card.locator("summary").first.click()
        told = expect(card.get_by_text("Turned upright by"))
        told.to_be_visible() if degrees else told.to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table").click()
    rows = csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig")))
    assert {row["file"]: row["rotation"] for row in rows} == {"side.png": "90", "upright.png": "0"}
