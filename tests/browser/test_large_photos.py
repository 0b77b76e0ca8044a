"""Photos that the service refuses for their size are made smaller in the browser, and no others."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.training.grey_model import level_of

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
TOO_MANY_BYTES = 11_000_000
ROTATED = 6  # EXIF: a photo that was taken with the phone upright
SPY = """() => {
  const send = window.fetch;
  window.sent = [];
  window.fetch = async (address, options) => {
    const bytes = new Uint8Array(await options.body.get("file").arrayBuffer());
    const head = bytes.slice(0, 500_000);
    sent.push([bytes.length, btoa(Array.from(head, (byte) => String.fromCharCode(byte)).join(""))]);
    return send(address, options);
  };
}"""


def _photo(
    name: str, label: int, size: tuple[int, int], more: int = TOO_MANY_BYTES
) -> dict[str, object]:
    """A photo that the grey model gives this label, with more bytes than it needs."""
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    file = BytesIO()
    Image.new("L", size, level_of(label)).save(file, "JPEG", exif=exif)
    return {"name": name, "mimeType": "image/jpeg", "buffer": file.getvalue() + bytes(more)}


def _open(open_page: OpenPage, service: str) -> Page:
    page = open_page(service)
    expect(page.locator("footer")).to_contain_text("version")
    page.evaluate(SPY)
    return page


def _add(page: Page, photo: dict[str, object]) -> Locator:
    page.set_input_files("#files", photo)
    card = page.locator(".card").filter(has_text=str(photo["name"]))
    expect(card).to_have_attribute("data-state", "review")  # as it is blank
    return card


def _sent(page: Page) -> list[tuple[int, Image.Image]]:
    """Bytes and picture of each photo that was sent so far."""
    found = page.evaluate("sent")
    return [(size, Image.open(BytesIO(base64.b64decode(head)))) for size, head in found]


def test_photo_over_the_limit_is_made_smaller(grey_service: str, open_page: OpenPage) -> None:
    page = _open(open_page, grey_service)
    photo = _photo("a.jpg", 4, (4000, 3000))
    card = _add(page, photo)
    expect(card.locator(".label")).to_have_text("Coat")
    card.get_by_text("All ten, and details").click()
    expect(card).to_contain_text("1200 x 1600 pixels")

    (whole, _), (smaller, picture) = _sent(page)
    assert whole == len(bytes(photo["buffer"]))
    assert (picture.format, picture.size) == ("JPEG", (1200, 1600))  # upright
    assert smaller < 500_000
    card.get_by_role("button", name="Dress").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table").click()
    (row,) = csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines())
    # The file's own, by which labels find it.
    assert (row["file"], row["bytes"], row["true_label"]) == ("a.jpg", str(whole), "Dress")


def test_limit_is_learnt(grey_service: str, open_page: OpenPage) -> None:
    page = _open(open_page, grey_service)
    _add(page, _photo("a.jpg", 4, (2000, 1000)))
    card = _add(page, _photo("b.jpg", 8, (2000, 1000)))
    card.get_by_text("Show why").click()
    expect(card.get_by_role("img", name="What the model saw")).to_be_visible()
    bytes_sent = [size for size, _ in _sent(page)]
    assert [size > TOO_MANY_BYTES for size in bytes_sent] == [True, False, False, False]


@pytest.mark.parametrize(
    ("size", "sent"), [((400, 8000), (4480, 224)), ((100, 3000), (3000, 100)), ((90, 60), (60, 90))]
)
def test_shorter_edge_stays_long_enough(
    grey_service: str, open_page: OpenPage, size: tuple[int, int], sent: tuple[int, int]
) -> None:
    page = _open(open_page, grey_service)
    _add(page, _photo("a.jpg", 4, size))
    _, (_, picture) = _sent(page)
    assert picture.size == sent


def test_other_photos_are_sent_as_they_are(grey_service: str, open_page: OpenPage) -> None:
    page = _open(open_page, grey_service)
    photo = _photo("a.jpg", 4, (4000, 3000), more=9_000_000)
    card = _add(page, photo)
    card.get_by_text("All ten, and details").click()
    expect(card).not_to_contain_text("pixels")
    assert [size for size, _ in _sent(page)] == [len(bytes(photo["buffer"]))]


def test_photo_with_too_many_pixels_is_made_smaller(grey_service: str, open_page: OpenPage) -> None:
    page = _open(open_page, grey_service)
    _add(page, _photo("a.jpg", 4, (8000, 8000), more=0))
    _, (_, picture) = _sent(page)
    assert picture.size == (1600, 1600)


def test_proxy_may_refuse_it_in_other_words(grey_service: str, open_page: OpenPage) -> None:
    page = _open(open_page, grey_service)
    page.route(
        "**/predict",
        lambda route: route.fulfill(status=413, body="<h1>413 Request Entity Too Large</h1>"),
        times=1,
    )
    card = _add(page, _photo("a.jpg", 4, (2000, 1000), more=2_000_000))
    expect(card.locator(".label")).to_have_text("Coat")


def test_what_is_refused_even_so_is_told(grey_service: str, open_page: OpenPage) -> None:
    page = _open(open_page, grey_service)
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=413, body="")

    page.route("**/predict", refuse)
    page.set_input_files("#files", _photo("a.jpg", 4, (2000, 1000)))
    expect(page.locator("#cards code")).to_have_text("http_413")
    assert len(asked) == 2


def test_photo_that_the_browser_cannot_read_gets_advice(
    grey_service: str, open_page: OpenPage
) -> None:
    page = _open(open_page, grey_service)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(TOO_MANY_BYTES)
    page.set_input_files("#files", {"name": "a.heic", "mimeType": "", "buffer": heic})
    card = page.locator(".card")
    expect(card.locator("code")).to_have_text("body_too_large")
    expect(card).to_contain_text("10,485,760 bytes allowed")
    expect(card).to_contain_text("This browser cannot read it to make it smaller.")
    expect(card).to_contain_text("Save it as a JPEG of at most 1600 pixels")
    assert len(page.evaluate("sent")) == 1
    page.set_input_files("#files", {"name": "b.heic", "mimeType": "", "buffer": heic})
    expect(page.locator("#cards code")).to_have_text(["body_too_large"] * 2)
    expect(page.get_by_text("10,485,760 bytes allowed. This browser")).to_have_count(2)
