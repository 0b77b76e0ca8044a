"""Labels that the browser keeps: in every tab, and whichever way their photos come in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.labelling import OpenPage, card_of, choose, table_of
from tests.training.grey_model import level_of

pytestmark = pytest.mark.browser


def _grey(file: Path) -> Path:
    """Equal ones agree in their size and time, too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (64, 64), level_of(4)).save(file)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


def _drop(page: Page, *paths: Path) -> None:
    """As from a file manager."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for event in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": event, "x": 9, "y": 9, "data": data})


def _wait(page: Page, count: int) -> None:
    expect(page.locator("#status")).to_contain_text(f"{count} of {count} photos answered")


def _leave(page: Page) -> None:
    table_of(page)
    page.reload()


def test_way_of_adding_makes_no_difference(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    files = [_grey(folder / "a.png"), _grey(folder / "new" / "b.png")]
    page = open_page(grey_service)
    page.set_input_files("#files", files[0])
    _wait(page, 1)
    choose(card_of(page, "a.png"), "Dress")
    _drop(page, folder)
    _wait(page, 2)
    expect(page.locator("#already")).to_have_text("1 photo was here already.")
    choose(card_of(page, "shop/new/b.png"), "Coat")

    _leave(page)
    _drop(page, folder / "new")
    _wait(page, 1)
    expect(card_of(page, "new/b.png")).to_contain_text("Checked")
    page.set_input_files("#files", files)
    _wait(page, 2)
    expect(card_of(page, "a.png")).to_contain_text("Checked")
    choose(card_of(page, "b.png"), "Coat")  # taken back, as it was kept with its folders

    _leave(page)
    _drop(page, folder)
    _wait(page, 2)
    expect(card_of(page, "shop/a.png")).to_contain_text("Checked")
    expect(card_of(page, "shop/new/b.png")).not_to_contain_text("Checked")


def test_photos_that_folders_alone_tell_apart_stay_apart(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    one, two = _grey(tmp_path / "1" / "0.png"), _grey(tmp_path / "2" / "0.png")
    page = open_page(grey_service)
    _drop(page, one.parent, two.parent)
    _wait(page, 2)
    choose(card_of(page, "1/0.png"), "Dress")
    choose(card_of(page, "2/0.png"), "Coat")
    _leave(page)
    _drop(page, one.parent, two.parent)
    _wait(page, 2)
    expect(card_of(page, "1/0.png").locator(".label")).to_have_text("Dress")
    expect(card_of(page, "2/0.png").locator(".label")).to_have_text("Coat")

    _leave(page)
    page.set_input_files("#files", one)  # it may be either
    _wait(page, 1)
    expect(page.locator(".card")).not_to_contain_text("Checked")
    choose(page.locator(".card"), "Coat")
    for name in ("1/0.png", "2/0.png"):  # which leaves what was kept of the one without a folder
        page.evaluate(
            """(name) => Object.keys(localStorage).filter((key) => key.endsWith(name))
              .forEach((key) => localStorage.removeItem(key))""",
            name,
        )
    _leave(page)
    _drop(page, one.parent, two.parent)
    _wait(page, 2)
    expect(page.locator("#count-checked")).to_have_text("0")


def test_tabs_have_the_same_labels(grey_service: str, open_page: OpenPage, tmp_path: Path) -> None:
    files = [_grey(tmp_path / f"{name}.png") for name in "abc"]
    one = open_page(grey_service)
    other = one.context.new_page()
    other.goto(grey_service)
    for page in (one, other):
        page.set_input_files("#files", files)
        _wait(page, 3)
    choose(card_of(one, "a.png"), "Dress")
    choose(card_of(other, "b.png"), "Sandal")
    for page in (one, other):
        expect(card_of(page, "a.png").locator(".label")).to_have_text("Dress")
        expect(card_of(page, "b.png")).to_contain_text("Checked")
    choose(card_of(other, "a.png"), "Coat")
    expect(card_of(one, "a.png").locator(".label")).to_have_text("Coat")
    # What the other tab has said since is not taken back.
    expect(one.get_by_role("button", name="Take back")).to_be_disabled()
    other.get_by_role("button", name="Take back").click()
    expect(card_of(one, "a.png").locator(".label")).to_have_text("Dress")
    other.get_by_role("button", name="Take back").click()
    expect(card_of(one, "b.png")).not_to_contain_text("Checked")
    expect(one.locator("#count-checked")).to_have_text("1")

    # Folders that only one of them knows.
    third = one.context.new_page()
    third.goto(grey_service)
    _drop(third, tmp_path)
    _wait(third, 3)
    expect(third.locator("#count-checked")).to_have_text("1")
    choose(card_of(third, "c.png"), "Sandal")
    expect(card_of(one, "c.png")).to_contain_text("Checked")
    choose(card_of(one, "c.png"), "Sandal")
    expect(third.locator("#count-checked")).to_have_text("1")
