"""What the page looks like: thumbnails, many cards, small screens, and the system's own colours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import CHROMIUM_ARGUMENTS

pytestmark = pytest.mark.browser

ANKLE_BOOT = Path(__file__).parent.parent / "samples" / "ankle-boot.png"
OpenPage = Callable[..., Page]


def _boots(number: int) -> list[dict[str, object]]:
    content = ANKLE_BOOT.read_bytes()
    return [
        {"name": f"{each}.png", "mimeType": "image/png", "buffer": content}
        for each in range(number)
    ]


def _drop(page: Page, folder: Path) -> None:
    """As from a file manager, which scripts of the page cannot do."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for event in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": event, "x": 9, "y": 9, "data": data})


def _colours(element: Locator) -> set[tuple[int, ...]]:
    """Those of many pixels: a few are of round corners."""
    image = Image.open(BytesIO(element.screenshot())).convert("RGB")
    return {colour for number, colour in image.getcolors(2**24) if number > 50}


def test_thumbnail_is_a_small_jpeg_on_white(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    file = BytesIO()
    Image.new("RGBA", (1024, 512), (0, 0, 0, 0)).save(file, "PNG")
    page.set_input_files(
        "#files", {"name": "a.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    image = page.locator(".thumbnail img")
    expect(image).to_have_js_property("naturalWidth", 256)
    expect(image).to_have_js_property("naturalHeight", 128)
    assert str(image.get_attribute("src")).startswith("data:image/jpeg;")
    assert page.locator("canvas").count() == 0  # each would keep its pixels
    assert (255, 255, 255) in _colours(image)


@pytest.mark.parametrize("width", [390, 1280])
def test_whole_name_is_seen_after_its_folders(
    service: str, open_page: OpenPage, tmp_path: Path, width: int
) -> None:
    folder = "catalogue/2024-03-15/photos taken by the window/"
    names = [f"{folder}IMG_20240315_143022.png", f"{folder}{'IMG_' * 50}end.jpg"]
    (tmp_path / folder).mkdir(parents=True)
    for name, content in zip(names, (ANKLE_BOOT.read_bytes(), b"no photo"), strict=True):
        (tmp_path / name).write_bytes(content)
    page = open_page(service, viewport={"width": width, "height": 1600})
    _drop(page, tmp_path / "catalogue")
    expect(page.get_by_role("status")).to_contain_text("1 of 2 photos answered")
    for name in names:
        shown = page.get_by_text(name)
        expect(shown.locator(".folder")).to_have_text(folder)
        assert shown.evaluate(
            """(element) => element.scrollWidth === element.clientWidth
              && element.scrollHeight === element.clientHeight"""
        )


def test_text_is_as_large_as_the_browser_is_told_to(service: str, browser: Browser) -> None:
    large = browser.browser_type.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        args=[*CHROMIUM_ARGUMENTS, "--blink-settings=defaultFontSize=24"],
    )
    try:
        page = large.new_page(viewport={"width": 320, "height": 640})
        page.goto(service)
        expect(page.locator("body")).to_have_css("font-size", "24px")
        page.set_input_files("#files", ANKLE_BOOT)
        page.get_by_text("All ten, and details").click()
        for part in ("html", ".choice", ".label"):
            overflows = "(element) => element.scrollWidth > element.clientWidth"
            assert not page.locator(part).first.evaluate(overflows), part
    finally:
        large.close()


def test_ring_of_a_filter_is_whole(service: str, open_page: OpenPage) -> None:
    page = open_page(service, viewport={"width": 1280, "height": 800})
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.get_by_role("status")).to_contain_text("1 of 1 photos answered")
    page.get_by_role("radio", name="All").focus()
    page.keyboard.press("ArrowRight")
    box = page.locator("#filter input:checked + span").bounding_box()
    assert box
    width = 7
    sides = {**box, "x": box["x"] + box["width"], "width": width}, {**box, "x": box["x"] - width}
    for side in sides:
        middle = {**side, "y": box["y"] + box["height"] / 2, "width": width, "height": 1}
        image = Image.open(BytesIO(page.screenshot(clip=middle))).convert("RGB")
        assert image.getpixel((3, 0)) == (31, 95, 91)  # the accent


def test_ornaments_are_not_read_out(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", ANKLE_BOOT)
    summary = page.locator("summary").filter(has_text="Show why")
    for _ in range(2):  # open, too
        summary.click()
        expect(summary).to_have_accessible_name("Show why")


def test_counts_are_shown_once_per_frame(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.evaluate("() => { window.asked = []; requestAnimationFrame = (f) => asked.push(f); }")
    page.set_input_files("#files", _boots(6))
    expect(page.locator(".label")).to_have_count(6)
    expect(page.locator("#count")).to_have_text("0 of 6 photos")
    assert page.evaluate("() => { asked.forEach((f) => f()); return asked.length; }") == 1
    expect(page.locator("#count")).to_have_text("6 of 6 photos")


def test_cards_out_of_sight_cost_no_layout(service: str, open_page: OpenPage) -> None:
    page = open_page(service, viewport={"width": 400, "height": 800})
    page.set_input_files("#files", _boots(12))
    expect(page.get_by_role("status")).to_contain_text("12 of 12 photos answered")
    last = page.locator(".card .head").last
    laid_out = "(element) => element.checkVisibility({ contentVisibilityAuto: true })"
    assert not last.evaluate(laid_out)
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function(laid_out, arg=last.element_handle())


@pytest.mark.parametrize("width", [320, 360])
def test_thousands_of_photos_need_no_sideways_scrolling(
    service: str, open_page: OpenPage, width: int
) -> None:
    page = open_page(service, viewport={"width": width, "height": 640}, is_mobile=True)
    page.set_input_files("#files", [*_boots(1), {**_boots(1)[0], "buffer": b"no photo"}])
    expect(page.get_by_role("status")).to_contain_text("1 of 2 photos answered")
    page.evaluate(
        """() => {
          for (const id of ["count-all", "count-review", "count-checked", "count-failed"]) {
            document.getElementById(id).textContent = 10000;
          }
          document.getElementById("count").textContent = "10000 of 10000 photos";
          document.getElementById("retry").hidden = false;
        }"""
    )
    assert page.evaluate("() => document.documentElement.scrollWidth") == width


def test_filter_and_bars_are_seen_in_the_systems_colours(service: str, open_page: OpenPage) -> None:
    page = open_page(service, forced_colors="active")
    page.set_input_files("#files", ANKLE_BOOT)
    expect(page.get_by_role("status")).to_contain_text("1 of 1 photos answered")
    marked, other = page.locator(".filter span").all()[:2]
    background = "(element) => getComputedStyle(element).backgroundColor"
    highlight = marked.evaluate(background)
    assert highlight != other.evaluate(background)
    assert page.locator(".fill").first.evaluate(background) == highlight
    page.evaluate("() => { document.getElementById('progress').value = 0.5; }")
    assert len(_colours(page.locator("#progress"))) >= 2
    page.get_by_text("Show why").click()
    expect(page.locator(".colours")).to_be_visible()
    scale = "(element) => getComputedStyle(element).backgroundImage"
    assert "gradient" in page.locator(".colours").evaluate(scale)
