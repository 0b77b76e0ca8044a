"""The page with many photos, with a busy service and without a connection: nothing is lost."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Response, Route, expect

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]
IN_FLIGHT = 4


def _photo(name: str, red: int = 0, edge: int = 64) -> dict[str, object]:
    file = BytesIO()
    image = Image.linear_gradient("L").resize((edge, edge))
    Image.merge("RGB", [Image.new("L", image.size, red), image, image]).save(file, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}


def _table(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table").click()
    text = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def test_each_of_many_photos_gets_its_row(service: str, open_page: OpenPage) -> None:
    photos = [_photo(f"{number:02}.png", red=6 * number) for number in range(30)]
    photos[7] = {"name": "07.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}
    photos[9]["name"] = '=1+2,"nine".png'
    now: set[Request] = set()
    most = 0

    def sent(request: Request) -> None:
        nonlocal most
        if request.url.endswith("/predict"):
            now.add(request)
            most = max(most, len(now))

    page = open_page(service)
    page.on("request", sent)
    page.on("requestfinished", lambda request: now.discard(request))
    page.set_input_files("#files", photos)
    expect(page.locator("#count")).to_have_text("30 of 30 photos", timeout=120_000)
    expect(page.get_by_role("status")).to_contain_text("29 of 30 photos answered")
    assert most == IN_FLIGHT

    rows = _table(page)
    files = [str(photo["name"]) for photo in photos]
    files[9] = '\'=1+2,"nine".png'  # a spreadsheet must not compute it
    assert [row["file"] for row in rows] == files
    assert [row["error_code"] for row in rows if row["error_code"]] == ["unsupported_format"]
    assert rows[7]["label"] == ""
    del rows[7]
    for row in rows:
        probabilities = {
            name.removeprefix("probability "): float(value)
            for name, value in row.items()
            if name.startswith("probability ")
        }
        assert len(probabilities) == 10
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert row["label"] == max(probabilities, key=probabilities.__getitem__)
        assert float(row["confidence"]) == probabilities[row["label"]]
        assert row["needs_review"] == str(bool(row["review_reasons"])).lower()


def test_table_holds_where_semicolons_separate_too(grey_service: str, open_page: OpenPage) -> None:
    grey = BytesIO()
    Image.new("L", (64, 64), 102).save(grey, "PNG")  # between two classes
    name = "b;=1+1;.png"
    page = open_page(grey_service)
    page.set_input_files(
        "#files", [{"name": name, "mimeType": "image/png", "buffer": grey.getvalue()}]
    )
    expect(page.get_by_role("status")).to_contain_text("1 of 1 photos answered")
    (row,) = _table(page)
    assert row["file"] == name
    assert len(row["labels"].split("; ")) == 2
    text = page.evaluate("""async () => {
      const { csv } = await import("./web/table.js");
      const file = { size: 1, lastModified: 0 };
      return csv([{ name: "b;=1+1;\\t.png", file, problem: { code: "x", detail: "one; two" } }]);
    }""")
    unquoted = re.sub(r'"[^"]*"', "", text)
    assert ";" not in unquoted
    assert "\t" not in unquoted


def test_photos_of_one_name_are_told_apart_in_the_table(
    service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}" / "IMG_0001.png" for number in range(IN_FLIGHT + 1)]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_bytes(bytes(_photo(file.name)["buffer"]) + bytes(number))
        os.utime(file, (1_700_000_000 + number, 1_700_000_000 + number))
    sizes = [str(file.stat().st_size) for file in files[:-1]]
    page = open_page(service)
    held: list[Route] = []
    page.route("**/predict", lambda route: held.append(route))
    page.set_input_files("#files", files)
    page.wait_for_function("() => document.querySelectorAll('[data-state=sending]').length === 4")
    files[-1].unlink()  # before it is read
    for route in held:
        route.continue_()
    page.unroute("**/predict")
    expect(page.get_by_role("status")).to_contain_text("4 of 5 photos answered")
    files[0].unlink()  # after its answer

    rows = _table(page)
    assert list(rows[0])[:5] == ["file", "bytes", "modified", "true_label", "label"]
    assert {row["file"] for row in rows} == {"IMG_0001.png"}
    times = [f"2023-11-14T22:13:{20 + number}.000Z" for number in range(IN_FLIGHT)]
    assert [row["bytes"] for row in rows] == [*sizes, ""]
    assert [row["modified"] for row in rows] == [*times, ""]
    assert rows[-1]["error_code"] == "unreadable_file"


def test_list_holds_what_was_scrolled_to(grey_service: str, open_page: OpenPage) -> None:
    page = open_page(grey_service, viewport={"width": 1200, "height": 800})
    photos = [_photo(f"{number:03}.png", edge=8) for number in range(250)]
    photos[120] = {"name": "120.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}
    page.set_input_files("#files", photos)
    expect(page.get_by_role("status")).to_contain_text("249 of 250 photos answered")
    names = page.locator(".card .name")
    expect(names).to_have_text([f"{number:03}.png" for number in range(100)])
    page.locator("#more").scroll_into_view_if_needed()
    expect(names).to_have_count(200)
    page.locator("#more").scroll_into_view_if_needed()
    expect(names).to_have_text([str(photo["name"]) for photo in photos])
    expect(page.locator("#more")).to_be_hidden()
    page.locator(".filter").get_by_text("Failed").click()
    expect(names).to_have_text(["120.jpg"])
    page.locator(".filter").get_by_text("All").click()
    expect(names).to_have_count(100)

    page.get_by_role("searchbox").fill(" 24.P")
    expect(names).to_have_text(["024.png", "124.png", "224.png"])
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_text("No photo here.")).to_be_visible()
    assert len(_table(page)) == 250  # of all, seen or not

    page.get_by_role("button", name="Clear").click()
    page.set_input_files("#files", photos[:120])
    expect(names).to_have_text([f"{number:03}.png" for number in range(100)])


def test_busy_service_is_asked_again(small_service: str, open_page: OpenPage) -> None:
    statuses: list[int] = []

    def answered(response: Response) -> None:
        if response.url.endswith("/predict"):
            statuses.append(response.status)

    page = open_page(small_service)
    page.on("response", answered)
    # Large ones, so that several are with the service at the same time.
    page.set_input_files("#files", [_photo(f"{number}.png", edge=3000) for number in range(6)])
    expect(page.get_by_text("Trying again").first).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("6 of 6 photos answered, ", timeout=200_000)
    assert 503 in statuses
    assert statuses.count(200) == 6


_TOO_SLOW = {"code": "upload_timeout", "title": "Too long", "detail": "Too slow.", "status": 408}


def test_photos_do_not_share_a_slow_line(grey_service: str, open_page: OpenPage) -> None:
    page = open_page(grey_service)
    held: list[Route] = []
    now: set[Route] = set()
    most = 0

    def sent(route: Route) -> None:
        nonlocal most
        if len(held) < IN_FLIGHT:
            held.append(route)
            return
        now.add(route)
        most = max(most, len(now))
        response = route.fetch()
        now.discard(route)
        route.fulfill(response=response)

    page.route("**/predict", sent)
    page.set_input_files("#files", [_photo(f"{number}.png") for number in range(8)])
    page.wait_for_function("() => document.querySelectorAll('[data-state=sending]').length === 4")
    for route in held:
        route.fulfill(status=408, json=_TOO_SLOW)
    expect(page.get_by_role("status")).to_contain_text("8 of 8 photos answered")
    assert most == 1


def test_photo_that_is_too_large_for_the_line_is_sent_twice(
    service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=408, json=_TOO_SLOW)

    page.route("**/predict", refuse)
    page.set_input_files("#files", [_photo("one.png")])
    expect(page.locator("#cards code")).to_have_text("upload_timeout")
    assert len(asked) == 2


def test_photos_are_sent_again_once_the_connection_is_back(
    service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    expect(page.locator("footer")).to_contain_text("version")
    page.context.set_offline(True)
    page.set_input_files("#files", [_photo(f"{number}.png") for number in range(6)])
    expect(page.get_by_text("The service cannot be reached. Waiting for it…")).to_have_count(4)

    page.context.set_offline(False)
    expect(page.get_by_role("status")).to_contain_text("6 of 6 photos answered")
    assert [row["error_code"] for row in _table(page)] == [""] * 6


@pytest.mark.parametrize("status", [502, 504])
def test_photo_that_a_proxy_has_no_service_for_is_sent_once_more(
    status: int, service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=status, body="<html>Bad Gateway</html>")

    page.route("**/predict", refuse)
    page.set_input_files("#files", [_photo("one.png")])
    expect(page.locator("#cards code")).to_have_text(f"http_{status}")
    assert len(asked) == 2


def test_photos_can_be_tried_again_when_the_service_stays_away(
    service: str, open_page: OpenPage
) -> None:
    page = open_page(service)
    page.clock.install()
    expect(page.locator("footer")).to_contain_text("version")
    page.context.set_offline(True)
    page.set_input_files("#files", [_photo("one.png"), _photo("two.png"), _photo("three.png")])
    expect(page.get_by_text("Waiting for it…")).to_have_count(3)
    page.clock.fast_forward(40_000)
    expect(page.get_by_role("status")).to_contain_text("3 failed")
    expect(page.locator("#cards code")).to_have_text(["unreachable"] * 3)

    page.context.set_offline(False)
    two = page.get_by_role("listitem").filter(has_text="two.png")
    two.get_by_role("button", name="Try again").press("Enter")
    expect(two.locator(".label")).not_to_be_empty()
    expect(two).to_be_focused()  # where the button was
    expect(page.get_by_role("status")).to_contain_text("2 failed")
    page.get_by_role("button", name="Try failed again").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("3 of 3 photos answered")
    expect(page.locator("#choose")).to_be_focused()
    assert [row["error_code"] for row in _table(page)] == ["", "", ""]


def test_clear_forgets_what_was_on_its_way(service: str, open_page: OpenPage) -> None:
    page = open_page(service)
    page.set_input_files("#files", [_photo(f"{number}.png", edge=1000) for number in range(12)])
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#results")).to_be_hidden()
    page.set_input_files("#files", [_photo("after.png")])
    expect(page.get_by_role("status")).to_contain_text("1 of 1 photos answered")
    expect(page.locator("#cards > li")).to_have_count(1)
    assert [row["file"] for row in _table(page)] == ["after.png"]
