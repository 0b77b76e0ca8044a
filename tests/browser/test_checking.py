"""A person says on the page what the photos show, and training takes it from the table."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.training.grey_model import level_of
from training.data.datasets import find_splits, open_images
from training.prepare import prepare

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


def _grey(folder: Path, name: str, label: int) -> Path:
    """A photo that the grey model gives this label; as it is blank, a person is to look."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    # A pixel of its own: equal photos are one to `prepare`.
    image = Image.new("L", (64, 64), level_of(label))
    image.putpixel((0, 0), len(list(folder.rglob("*.png"))))
    image.save(file)
    return file


def _answered(page: Page, files: list[Path], before: int = 0) -> None:
    """Add the files to so many that are answered before, and wait for all."""
    page.set_input_files("#files", files)
    count = before + len(files)
    expect(page.locator("#status")).to_contain_text(f"{count} of {count} photos")


def _answered_again(page: Page, files: list[Path]) -> None:
    """In the page as somebody finds it who comes back."""
    page.reload()
    _answered(page, files)


def _card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has_text=name)


def _choose(card: Locator, category: str) -> None:
    card.get_by_role("button", name=category).click()


def _counts(page: Page) -> list[str]:
    return [page.locator(f"#count-{kind}").inner_text() for kind in ("review", "checked", "failed")]


def _show(page: Page, kind: str) -> None:
    page.locator("#filter").get_by_text(re.compile(f"^{kind}")).click()


def _labels(page: Page) -> dict[str, str]:
    """The photos' true labels, by the downloaded table."""
    text = _table(page).read_bytes().decode("utf-8-sig")
    return {row["file"]: row["true_label"] for row in csv.DictReader(StringIO(text))}


def _table(page: Page) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table").click()
    return Path(download.value.path())


def test_category_is_chosen_and_taken_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, "a.png", 4), _grey(tmp_path, "b.png", 8)])
    card = _card(page, "a.png")
    expect(card).to_contain_text("A person should look")
    assert _counts(page) == ["2", "0", "0"]

    _choose(card, "Dress")
    expect(card.locator(".label")).to_have_text("Dress")
    expect(card).to_contain_text("Checked · the model said Coat, ")
    expect(card).not_to_contain_text("A person should look")
    expect(card.get_by_role("button", pressed=True)).to_contain_text("Dress")
    assert _counts(page) == ["1", "1", "0"]
    card.get_by_text("All ten, and details").click()
    _choose(card, "None of these")
    expect(card.locator(".label")).to_have_text("None of the ten")
    _choose(card, "Coat")
    expect(card).to_contain_text("Checked · the model agrees, ")
    assert _labels(page) == {"a.png": "Coat", "b.png": ""}

    _choose(card, "Coat")
    expect(card).to_contain_text("A person should look")
    assert _labels(page) == {"a.png": "", "b.png": ""}


def test_what_is_no_garment_is_chosen_at_once(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, "a.png", 10)])
    card = _card(page, "a.png")
    expect(card.locator(".label")).to_have_class("label doubtful")
    _choose(card, "None of these")
    expect(card.locator(".label")).to_have_class("label")
    assert _labels(page) == {"a.png": "other"}


@pytest.mark.parametrize("size", [(400, 800), (1200, 600)])
def test_page_stays_where_it_is_while_photos_are_labelled(
    grey_service: str, open_page: OpenPage, tmp_path: Path, size: tuple[int, int]
) -> None:
    page = open_page(grey_service, viewport={"width": size[0], "height": size[1]})
    _answered(page, [_grey(tmp_path, f"{n:02}.png", 4) for n in range(16)])
    _show(page, "To look at")
    page.evaluate("() => scrollTo(0, 600)")
    for name in ("07", "08", "09"):
        button = _card(page, f"{name}.png").get_by_role("button", name="Coat")
        button.scroll_into_view_if_needed()
        # Cards that come into sight are laid out only then.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        before = page.evaluate("scrollY")
        button.click()
        assert page.evaluate("scrollY") == before


def test_finger_meets_what_it_has_met_where_heads_are_out_of_sight(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(
        grey_service, viewport={"width": 360, "height": 500}, is_mobile=True, has_touch=True
    )
    _answered(page, [_grey(tmp_path, f"{n}.png", 4) for n in range(6)])
    card = _card(page, "2.png")
    card.get_by_text("All ten, and details").tap()
    for category, place in (("None of these", 300), ("Trouser", 200)):  # no double tap
        button = card.get_by_role("button", name=category)
        scroll = f"(element) => scrollBy(0, element.getBoundingClientRect().top - {place})"
        button.evaluate(scroll)
        assert card.bounding_box()["y"] < 0
        button.tap()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        assert button.bounding_box()["y"] == pytest.approx(place, abs=2)

    for _ in range(2):
        page.get_by_role("button", name="Take back").tap()
    _show(page, "To look at")
    card.get_by_role("button", name="None of these").scroll_into_view_if_needed()
    card.get_by_role("button", name="None of these").tap()
    expect(_card(page, "3.png")).to_be_focused()
    expect(_card(page, "3.png").locator(".name")).to_be_in_viewport()


def test_keys_go_through_what_is_to_be_looked_at(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, f"{name}.png", 4) for name in "abcdef"])
    _show(page, "To look at")
    _card(page, "a.png").locator(".thumbnail").click()
    for key, name in (("Enter", "b"), ("6", "c"), ("ArrowRight", "d"), ("n", "e"), ("x", "e")):
        page.keyboard.press(key)
        expect(_card(page, f"{name}.png")).to_be_focused()
    for held in ("Control", "Alt", "Meta"):  # the browser's own, and the system's
        page.keyboard.press(f"{held}+3")
    page.keyboard.down("3")
    page.keyboard.down("3")  # held, and not for the next photo
    page.keyboard.up("3")
    expect(_card(page, "f.png")).to_be_focused()
    page.keyboard.press("Backspace")  # as the last one was wrong
    expect(_card(page, "e.png")).to_be_focused()
    expect(_card(page, "e.png").locator(".label")).to_have_text("Coat")
    assert _counts(page) == ["3", "3", "0"]

    _show(page, "Checked")
    _card(page, "b.png").locator(".thumbnail").click()
    page.keyboard.press("Enter")  # right as a person has said it, and not as the model did
    expect(_card(page, "d.png")).to_be_focused()
    expect(_card(page, "b.png").locator(".label")).to_have_text("Shirt")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")
    expect(_card(page, "b.png")).to_have_count(0)
    _show(page, "To look at")
    _card(page, "f.png").get_by_role("button", name="Coat").press("Enter")  # the button's own
    expect(_card(page, "e.png")).to_be_focused()  # the one before, as this was the last
    assert _labels(page) == {
        "a.png": "Coat",
        "b.png": "",
        "c.png": "",
        "d.png": "other",
        "e.png": "",
        "f.png": "Coat",
    }
    _card(page, "b.png").locator(".thumbnail").click()
    for _ in range(3):
        page.keyboard.press("3")
    expect(page.get_by_text("No photo here.")).to_be_visible()
    expect(page.get_by_role("radio", name="To look at")).to_be_focused()
    page.keyboard.press("Backspace")
    expect(page.locator(".card")).to_be_focused()
    assert _counts(page) == ["1", "5", "0"]


def test_who_labels_all_by_hand_sees_what_is_left(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    page.set_input_files("#files", broken)
    expect(page.locator("#count-failed")).to_have_text("1")
    page.set_input_files("#files", [_grey(tmp_path, f"{name}.png", 4) for name in "abc"])
    expect(page.locator("#count")).to_have_text("4 of 4 photos")
    _show(page, "Not checked")
    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator("#count-unchecked")).to_have_text("3")
    _card(page, "a.png").locator(".thumbnail").click()
    page.keyboard.press("Enter")
    expect(_card(page, "b.png")).to_be_focused()
    expect(_card(page, "a.png")).to_have_count(0)
    page.set_input_files("#files", _grey(tmp_path, "d.png", 4))
    expect(page.locator(".card .name")).to_have_text(["b.png", "c.png", "d.png"])
    page.keyboard.press("Backspace")
    expect(_card(page, "a.png")).to_be_focused()
    expect(page.locator("#count-unchecked")).to_have_text("4")


def test_only_what_is_seen_is_taken_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, f"{n:03}.png", 4) for n in range(130)])
    page.get_by_role("searchbox").fill("120")
    _choose(_card(page, "120.png"), "Coat")
    page.get_by_role("searchbox").fill("00")
    _card(page, "001.png").locator(".thumbnail").click()
    page.keyboard.press("Backspace")
    expect(_card(page, "001.png")).to_be_focused()
    assert _counts(page)[1] == "1"
    page.get_by_role("searchbox").fill("")
    _card(page, "001.png").locator(".thumbnail").click()
    page.keyboard.press("Backspace")
    expect(_card(page, "120.png")).to_be_focused()
    assert _counts(page)[1] == "0"


def test_the_last_key_is_what_is_taken_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, f"{name}.png", 4) for name in "abc"])
    for name in "ab":
        _choose(_card(page, f"{name}.png"), "Dress")
    _card(page, "a.png").locator(".thumbnail").click()
    page.keyboard.press("8")  # over the label that it has
    expect(_card(page, "b.png")).to_be_focused()
    page.keyboard.press("Backspace")
    expect(_card(page, "a.png")).to_be_focused()
    assert _labels(page) == {"a.png": "Dress", "b.png": "Dress", "c.png": ""}
    _card(page, "c.png").locator(".thumbnail").click()
    page.keyboard.press("1")
    expect(page.get_by_role("radio", name="All")).to_be_focused()  # and not on the last one still
    page.keyboard.press("4")
    assert _labels(page)["c.png"] == "Trouser"
    _card(page, "b.png").locator(".thumbnail").click()
    page.keyboard.press("Backspace")  # its own: somebody has gone back to it
    assert _labels(page) == {"a.png": "Dress", "b.png": "", "c.png": "Trouser"}


def test_labels_are_taken_back_with_the_button(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [_grey(tmp_path, f"{name}.png", 4) for name in "abc"]
    _answered(page, files)
    button = page.get_by_role("button", name="Take back")
    expect(button).to_be_disabled()
    _choose(_card(page, "a.png"), "Dress")
    _choose(_card(page, "a.png"), "Coat")
    _show(page, "To look at")
    _choose(_card(page, "b.png"), "Coat")
    button.click()
    expect(_card(page, "b.png")).to_be_focused()  # it is back in the list
    assert _counts(page) == ["2", "1", "0"]
    page.get_by_role("searchbox").fill("c")
    button.press("Enter")  # what hides it gives way
    expect(page.get_by_role("searchbox")).to_have_value("")
    expect(_card(page, "a.png")).to_be_focused()
    expect(_card(page, "a.png").locator(".label")).to_have_text("Dress")
    button.click()
    assert _counts(page) == ["3", "0", "0"]
    expect(button).to_be_disabled()
    _answered_again(page, files)
    assert _counts(page) == ["3", "0", "0"]


def test_second_click_of_a_double_click_is_not_for_the_next_photo(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, f"{name}.png", 4) for name in "abc"])
    _show(page, "To look at")
    _card(page, "a.png").get_by_role("button", name="Coat").dblclick()
    assert _counts(page) == ["2", "1", "0"]


def test_labels_outlast_the_page_but_not_clear(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [_grey(tmp_path, "a.png", 4), _grey(tmp_path, "b.png", 8)]
    _answered(page, files)
    _choose(_card(page, "a.png"), "Dress")
    _table(page)  # so that leaving asks nothing
    _answered_again(page, files)
    expect(_card(page, "a.png")).to_contain_text("Checked · the model said Coat")
    assert _labels(page) == {"a.png": "Dress", "b.png": ""}

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear").click()
    _answered(page, files)
    assert _counts(page) == ["2", "0", "0"]

    _choose(_card(page, "a.png"), "Dress")
    _table(page)
    status = files[0].stat()
    files[0].write_bytes(files[0].read_bytes() + b"0")  # another photo of this name, as cameras do
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    _answered_again(page, files)
    assert _counts(page) == ["2", "0", "0"]
    files[0].write_bytes(files[0].read_bytes()[:-1])
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    _answered_again(page, files)
    assert _counts(page) == ["2", "0", "0"]
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    _answered_again(page, files)
    assert _counts(page) == ["1", "1", "0"]


def test_label_is_asked_for_before_it_is_lost(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    _answered(page, [_grey(tmp_path, "a.png", 4)])
    _table(page)
    _choose(_card(page, "a.png"), "Coat")  # after the table
    page.get_by_role("button", name="Clear").click()
    _table(page)
    page.get_by_role("button", name="Clear").click()
    assert asked == [
        "Forget all photos? 1 is not in a downloaded table. This browser forgets your label, too.",
        "Forget all photos? This browser forgets your label, too.",
    ]


def test_labels_of_photos_without_an_answer_are_not_lost(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [_grey(tmp_path, "a.png", 4), _grey(tmp_path, "b.png", 4)]
    _answered(page, files)
    _choose(_card(page, "a.png"), "Dress")
    _table(page)
    page.reload()
    page.route("**/predict*", lambda route: route.abort("internetdisconnected"))
    page.set_input_files("#files", files)
    expect(page.locator("#count-failed")).to_have_text("2")
    expect(_card(page, "a.png")).to_contain_text("Checked · Dress")
    assert _counts(page) == ["0", "1", "2"]
    assert _labels(page) == {"a.png": "Dress", "b.png": ""}
    _card(page, "a.png").get_by_role("button", name="Try again").focus()
    page.keyboard.press("Backspace")
    assert _labels(page) == {"a.png": "", "b.png": ""}
    page.unroute("**/predict*")


def test_what_arrives_moves_nothing(grey_service: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, f"{name}.png", 4) for name in "abc"])
    _show(page, "To look at")
    _card(page, "b.png").locator(".thumbnail").click()
    _answered(page, [_grey(tmp_path, f"{n:03}.png", 4) for n in range(120)], before=3)
    names = page.locator(".card .name")
    assert names.all_inner_texts()[:3] == ["a.png", "b.png", "c.png"]
    fourth = names.nth(3).inner_text()  # whichever was answered first
    expect(_card(page, "b.png")).to_be_focused()
    page.keyboard.press("3")
    expect(_card(page, "c.png")).to_be_focused()
    page.keyboard.press("3")
    expect(_card(page, fourth)).to_be_focused()
    page.keyboard.press("Backspace")
    expect(names.nth(1)).to_have_text("c.png")  # where the hand is
    expect(_card(page, "c.png")).to_be_focused()

    _show(page, "All")  # here the newest are on top, and the focus stays all the same
    _card(page, "050.png").locator(".thumbnail").click()
    _answered(page, [_grey(tmp_path, f"n{n:03}.png", 4) for n in range(120)], before=123)
    expect(names.nth(0)).to_have_text("n000.png")
    expect(page.locator(".card:focus")).to_contain_text("050.png")


def test_what_is_added_is_seen(grey_service: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(grey_service)
    _answered(page, [_grey(tmp_path, "a.png", 4)])
    search = page.get_by_role("searchbox")
    search.fill("nowhere")
    _answered(page, [_grey(tmp_path, "b.png", 4)], before=1)
    expect(search).to_have_value("")
    expect(page.locator(".card .name")).to_have_text(["b.png", "a.png"])
    _show(page, "Failed")
    search.fill("png")
    _answered(page, [_grey(tmp_path, "c.png", 4)], before=2)
    expect(page.get_by_role("radio", name="All")).to_be_checked()
    expect(page.locator(".card .name")).to_have_text(["c.png", "b.png", "a.png"])

    search.fill(".png")
    _answered(page, [_grey(tmp_path, "d.png", 4)], before=3)
    expect(search).to_have_value(".png")  # it hides none


def test_photo_that_is_here_already_is_not_here_twice(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [_grey(tmp_path, "a.png", 4), _grey(tmp_path, "b.png", 4)]
    _answered(page, files)
    page.set_input_files("#files", files)
    expect(page.locator("#already")).to_have_text("2 photos were here already.")
    page.set_input_files("#files", [_grey(tmp_path, "c.png", 4), files[0]])
    expect(page.locator("#already")).to_have_text("1 photo was here already.")
    expect(page.locator("#count")).to_have_text("3 of 3 photos")
    page.route("**/predict*", lambda route: route.abort("internetdisconnected"))
    _grey(tmp_path, "a.png", 8)  # another photo of this name
    page.set_input_files("#files", files[0])
    expect(page.locator("#count-failed")).to_have_text("1")
    page.unroute("**/predict*")
    page.set_input_files("#files", files[0])
    expect(page.locator("#count-failed")).to_have_text("0")  # tried again
    expect(page.locator("#already")).to_be_hidden()
    expect(page.locator("#count")).to_have_text("4 of 4 photos")


def test_browser_that_keeps_nothing_hinders_nothing(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    page.add_init_script(
        "Storage.prototype.getItem = Storage.prototype.setItem = () => { throw 1 }"
    )
    page.reload()
    _answered(page, [_grey(tmp_path, "a.png", 4)])
    _choose(_card(page, "a.png"), "Coat")
    expect(page.get_by_text("This browser does not keep them")).to_be_visible()
    assert _labels(page) == {"a.png": "Coat"}


def test_full_storage_brings_no_old_label_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [_grey(tmp_path, "a.png", 4), _grey(tmp_path, "b.png", 4)]
    _answered(page, files)
    _choose(_card(page, "a.png"), "Dress")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw 1; }; }")
    _choose(_card(page, "a.png"), "Coat")
    _choose(_card(page, "b.png"), "Coat")
    _choose(_card(page, "b.png"), "Coat")  # taken back, and the other one is not kept still
    expect(page.get_by_text("This browser does not keep them")).to_be_visible()
    assert _labels(page) == {"a.png": "Coat", "b.png": ""}
    _answered_again(page, files)
    assert _counts(page) == ["2", "0", "0"]


def test_training_takes_the_labels_from_the_table(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    files = [_grey(photos, f"{label}/{n}.png", label) for label in (4, 8) for n in range(9)]
    page = open_page(grey_service)
    # Photos that are chosen lose their folders: two are named 0.png, and tell apart by their bytes.
    sizes = {file.stat().st_size for file in files if file.name == "0.png"}
    assert len(sizes) == 2
    _answered(page, files)
    _show(page, "To look at")
    page.locator(".card .thumbnail").first.click()
    for n in range(18):
        page.keyboard.press("Enter" if n % 3 else "6")

    prepare(str(photos), tmp_path / "data", labels=[_table(page)])

    found = [
        file.folder
        for split in find_splits(tmp_path / "data").values()
        for file in open_images(split).files
    ]
    assert {name: found.count(name) for name in set(found)} == {"Bag": 6, "Coat": 6, "Shirt": 6}
