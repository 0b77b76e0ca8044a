"""The page at /, as people use it: one photo and a few, right and wrong ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"
OpenPage = Callable[..., Page]


def _file(name: str, content: bytes, kind: str = "image/jpeg") -> dict[str, object]:
    return {"name": name, "mimeType": kind, "buffer": content}


def _boot(name: str) -> dict[str, object]:
    return _file(name, ANKLE_BOOT.read_bytes(), "image/png")


def _grey_jpeg() -> bytes:
    file = BytesIO()
    Image.new("RGB", (200, 200), (128, 128, 128)).save(file, "JPEG")
    return file.getvalue()


def _png_of_400_megapixels() -> bytes:
    """Its header says 20,000 x 20,000; what follows is never to be decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_photo_gets_the_answer_of_the_api(service: str, open_page: OpenPage) -> None:
    answer = httpx.post(
        f"{service}/predict", files={"file": ANKLE_BOOT.read_bytes()}, timeout=60
    ).json()
    page = open_page(service)
    with page.expect_file_chooser() as chooser:  # with the keyboard alone
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Choose photos")).to_be_focused()
        page.keyboard.press("Enter")
    chooser.value.set_files(ANKLE_BOOT)

    card = page.get_by_role("listitem").filter(has_text="ankle-boot.png")
    expect(card.locator(".label")).to_have_text(answer["label"])
    # What is nearly certain is not shown as certain.
    confidence = answer["confidence"]
    expect(card).to_contain_text("> 99.9%" if confidence > 0.999 else f"{confidence:.1%}")
    expect(card.locator(".thumbnail img")).to_have_count(1)
    expect(card.locator(".bars li").filter(visible=True)).to_have_count(3)
    card.get_by_text("All ten, and details").click()
    names = card.locator(".bars .key + span").filter(visible=True)
    labels = [each["label"] for each in answer["probabilities"]]
    expect(names).to_have_text([*labels, "None of these"])
    expect(card).to_contain_text("There and back")


def test_page_says_which_model_answers(service: str, open_page: OpenPage) -> None:
    model = httpx.get(f"{service}/model").json()["card"]
    page = open_page(service)
    expect(page.locator("footer")).to_contain_text(f"{model['name']}, version {model['version']}")
    expect(page.locator("header")).to_contain_text(" · ".join(model["categories"]))
    with page.expect_popup() as popup:
        page.get_by_role("link", name="API").click()
    expect(popup.value.get_by_text("/predict", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("notes.jpg", b"Hello, this is no photo.\n", "unsupported_format"),
        ("empty.png", b"", "empty_body"),
        ("cut.jpg", _grey_jpeg()[:400], "corrupt_image"),
        ("huge.png", _png_of_400_megapixels(), "image_too_large"),
        ("heavy.jpg", bytes(11_000_000), "body_too_large"),
    ],
)
def test_wrong_file_is_told_in_words_and_with_its_code(
    service: str, open_page: OpenPage, name: str, content: bytes, code: str
) -> None:
    problem = httpx.post(f"{service}/predict", files={"file": content}, timeout=60).json()
    assert problem["code"] == code
    page = open_page(service)
    page.set_input_files("#files", [_file(name, content)])
    card = page.get_by_role("listitem").filter(has_text=name)
    expect(card.locator("code")).to_have_text(code)
    expect(card).to_contain_text(problem["title"])
    expect(card).to_contain_text(problem["detail"])
    # Sending it again would change nothing.
    expect(card.get_by_role("button", name="Try again")).to_have_count(0)


def test_person_is_asked_to_look_at_a_blank_photo(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", [_boot("boot.png"), _file("lens-cap.jpg", _grey_jpeg())])
    card = page.get_by_role("listitem").filter(has_text="lens-cap.jpg")
    expect(card).to_contain_text("A person should look")
    expect(card).to_contain_text("The picture is blank, or nearly so.")
    expect(page.get_by_role("status")).to_contain_text("2 of 2 photos answered")
    page.get_by_text("Failed 0").click()
    expect(card).to_be_hidden()
    expect(page.get_by_text("No photo here.")).to_be_visible()
    page.get_by_role("radio", name="To look at").focus()
    page.keyboard.press("Space")
    expect(card).to_be_visible()


def test_file_name_is_text_and_nothing_else(service: str, open_page: OpenPage) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    page = open_page(service)
    page.set_input_files("#files", [_boot(name)])
    expect(page.locator("#cards .name")).to_have_text(name)
    expect(page.locator("#cards .name *")).to_have_count(0)


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_photo_is_dropped_or_pasted(service: str, open_page: OpenPage, event: str) -> None:
    page = open_page(service)
    page.evaluate(
        """([event, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "boot.png", { type: "image/png" }));
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(event === "drop"
            ? new DragEvent("drop", { ...options, dataTransfer: data })
            : new ClipboardEvent("paste", { ...options, clipboardData: data }));
        }""",
        [event, list(ANKLE_BOOT.read_bytes())],
    )
    card = page.get_by_role("listitem").filter(has_text="boot.png")
    expect(card.locator(".label")).not_to_be_empty()


def test_phone_needs_no_sideways_scrolling(service: str, open_page: OpenPage) -> None:
    page = open_page(
        service, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True
    )
    expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
    long_name = f"{'photo-' * 30}.png"
    page.set_input_files("#camera", [_file(long_name, b"no photo")])
    page.set_input_files("#files", [_boot("boot.png"), _file("grey.jpg", _grey_jpeg())])
    expect(page.get_by_role("status")).to_contain_text("1 failed")
    for name in ("All ten, and details", "Show why"):
        for summary in page.get_by_text(name).all():
            summary.click()
    expect(page.locator(".figures img")).to_have_count(4)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
