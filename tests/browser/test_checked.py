"""What a person has said of photos is kept: by the browser, in the table, and for training."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.labelling import (
    OpenPage,
    answered,
    answered_again,
    card_of,
    choose,
    counts,
    grey_photo,
    labels_of,
    show,
    table_of,
    without_service,
)
from training.data.datasets import find_splits, open_images
from training.prepare import prepare

pytestmark = pytest.mark.browser


def test_labels_outlast_the_page_but_not_clear(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [grey_photo(tmp_path, "a.png", 4), grey_photo(tmp_path, "b.png", 8)]
    answered(page, files)
    choose(card_of(page, "a.png"), "Dress")
    table_of(page)  # so that leaving asks nothing
    answered_again(page, files)
    expect(card_of(page, "a.png")).to_contain_text("Checked · the model said Coat")
    assert labels_of(page) == {"a.png": "Dress", "b.png": ""}

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear").click()
    answered(page, files)
    assert counts(page) == ["2", "0", "0"]

    choose(card_of(page, "a.png"), "Dress")
    table_of(page)
    status = files[0].stat()
    files[0].write_bytes(files[0].read_bytes() + b"0")  # another photo of this name, as cameras do
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    answered_again(page, files)
    assert counts(page) == ["2", "0", "0"]
    files[0].write_bytes(files[0].read_bytes()[:-1])
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    answered_again(page, files)
    assert counts(page) == ["2", "0", "0"]
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    answered_again(page, files)
    assert counts(page) == ["1", "1", "0"]


def test_label_is_asked_for_before_it_is_lost(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    answered(page, [grey_photo(tmp_path, "a.png", 4)])
    table_of(page)
    choose(card_of(page, "a.png"), "Coat")  # after the table
    page.get_by_role("button", name="Clear").click()
    table_of(page)
    page.get_by_role("button", name="Clear").click()
    assert asked == [
        "Forget all photos? 1 is not in a downloaded table. This browser forgets your label, too.",
        "Forget all photos? This browser forgets your label, too.",
    ]


def test_labels_of_photos_without_an_answer_are_not_lost(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [grey_photo(tmp_path, "a.png", 4), grey_photo(tmp_path, "b.png", 4)]
    answered(page, files)
    choose(card_of(page, "a.png"), "Dress")
    table_of(page)
    page.reload()
    with without_service(page):
        page.set_input_files("#files", files)
        expect(page.locator("#count-failed")).to_have_text("2")
        expect(card_of(page, "a.png")).to_contain_text("Checked · Dress")
        assert counts(page) == ["0", "1", "2"]
        assert labels_of(page) == {"a.png": "Dress", "b.png": ""}
        card_of(page, "a.png").get_by_role("button", name="Try again").focus()
        page.keyboard.press("Backspace")
        assert labels_of(page) == {"a.png": "", "b.png": ""}


def test_what_is_added_is_seen(grey_service: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, "a.png", 4)])
    search = page.get_by_role("searchbox")
    search.fill("nowhere")
    answered(page, [grey_photo(tmp_path, "b.png", 4)], before=1)
    expect(search).to_have_value("")
    expect(page.locator(".card .name")).to_have_text(["b.png", "a.png"])
    show(page, "Failed")
    search.fill("png")
    answered(page, [grey_photo(tmp_path, "c.png", 4)], before=2)
    expect(page.get_by_role("radio", name="All")).to_be_checked()
    expect(page.locator(".card .name")).to_have_text(["c.png", "b.png", "a.png"])

    search.fill(".png")
    answered(page, [grey_photo(tmp_path, "d.png", 4)], before=3)
    expect(search).to_have_value(".png")  # it hides none


def test_photo_that_is_here_already_is_not_here_twice(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [grey_photo(tmp_path, "a.png", 4), grey_photo(tmp_path, "b.png", 4)]
    answered(page, files)
    page.set_input_files("#files", files)
    expect(page.locator("#already")).to_have_text("2 photos were here already.")
    page.set_input_files("#files", [grey_photo(tmp_path, "c.png", 4), files[0]])
    expect(page.locator("#already")).to_have_text("1 photo was here already.")
    expect(page.locator("#count")).to_have_text("3 of 3 photos")
    with without_service(page):
        grey_photo(tmp_path, "a.png", 8)  # another photo of this name
        page.set_input_files("#files", files[0])
        expect(page.locator("#count-failed")).to_have_text("1")
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
    answered(page, [grey_photo(tmp_path, "a.png", 4)])
    choose(card_of(page, "a.png"), "Coat")
    expect(page.get_by_text("This browser does not keep them")).to_be_visible()
    assert labels_of(page) == {"a.png": "Coat"}


def test_full_storage_brings_no_old_label_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [grey_photo(tmp_path, "a.png", 4), grey_photo(tmp_path, "b.png", 4)]
    answered(page, files)
    choose(card_of(page, "a.png"), "Dress")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw 1; }; }")
    choose(card_of(page, "a.png"), "Coat")
    choose(card_of(page, "b.png"), "Coat")
    choose(card_of(page, "b.png"), "Coat")  # taken back, and the other one is not kept still
    expect(page.get_by_text("This browser does not keep them")).to_be_visible()
    assert labels_of(page) == {"a.png": "Coat", "b.png": ""}
    answered_again(page, files)
    assert counts(page) == ["2", "0", "0"]


def test_training_takes_the_labels_from_the_table(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    files = [grey_photo(photos, f"{label}/{n}.png", label) for label in (4, 8) for n in range(9)]
    page = open_page(grey_service)
    # Photos that are chosen lose their folders: two are named 0.png, and tell apart by their bytes.
    sizes = {file.stat().st_size for file in files if file.name == "0.png"}
    assert len(sizes) == 2
    answered(page, files)
    show(page, "To look at")
    page.locator(".card .thumbnail").first.click()
    for n in range(18):
        page.keyboard.press("Enter" if n % 3 else "6")

    prepare(str(photos), tmp_path / "data", labels=[table_of(page)])

    found = [
        file.folder
        for split in find_splits(tmp_path / "data").values()
        for file in open_images(split).files
    ]
    assert {name: found.count(name) for name in set(found)} == {"Bag": 6, "Coat": 6, "Shirt": 6}
