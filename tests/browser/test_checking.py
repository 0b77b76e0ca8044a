"""A person says on the page what the photos show, by clicks and by keys."""

from __future__ import annotations

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
    let_settle,
    show,
)

pytestmark = pytest.mark.browser


def test_category_is_chosen_and_taken_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, "a.png", 4), grey_photo(tmp_path, "b.png", 8)])
    card = card_of(page, "a.png")
    expect(card).to_contain_text("A person should look")
    assert counts(page) == ["2", "0", "0"]

    choose(card, "Dress")
    expect(card.locator(".label")).to_have_text("Dress")
    expect(card).to_contain_text("Checked · the model said Coat, ")
    expect(card).not_to_contain_text("A person should look")
    expect(card.get_by_role("button", pressed=True)).to_contain_text("Dress")
    assert counts(page) == ["1", "1", "0"]
    card.get_by_text("All ten, and details").click()
    choose(card, "None of these")
    expect(card.locator(".label")).to_have_text("None of the ten")
    choose(card, "Coat")
    expect(card).to_contain_text("Checked · the model agrees, ")
    assert labels_of(page) == {"a.png": "Coat", "b.png": ""}

    choose(card, "Coat")
    expect(card).to_contain_text("A person should look")
    assert labels_of(page) == {"a.png": "", "b.png": ""}


def test_what_is_no_garment_is_chosen_at_once(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, "a.png", 10)])
    card = card_of(page, "a.png")
    expect(card.locator(".label")).to_have_class("label doubtful")
    choose(card, "None of these")
    expect(card.locator(".label")).to_have_class("label")
    assert labels_of(page) == {"a.png": "other"}


@pytest.mark.parametrize("size", [(400, 800), (1200, 600)])
def test_page_stays_where_it_is_while_photos_are_labelled(
    grey_service: str, open_page: OpenPage, tmp_path: Path, size: tuple[int, int]
) -> None:
    page = open_page(grey_service, viewport={"width": size[0], "height": size[1]})
    answered(page, [grey_photo(tmp_path, f"{n:02}.png", 4) for n in range(16)])
    show(page, "To look at")
    page.evaluate("() => scrollTo(0, 600)")
    for name in ("07", "08", "09"):
        button = card_of(page, f"{name}.png").get_by_role("button", name="Coat")
        button.scroll_into_view_if_needed()
        let_settle(page)
        before = page.evaluate("scrollY")
        button.click()
        assert page.evaluate("scrollY") == before


def test_finger_meets_what_it_has_met_where_heads_are_out_of_sight(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(
        grey_service, viewport={"width": 360, "height": 500}, is_mobile=True, has_touch=True
    )
    answered(page, [grey_photo(tmp_path, f"{n}.png", 4) for n in range(6)])
    card = card_of(page, "2.png")
    card.get_by_text("All ten, and details").tap()
    for category, place in (("None of these", 300), ("Trouser", 200)):  # no double tap
        button = card.get_by_role("button", name=category)
        scroll = f"(element) => scrollBy(0, element.getBoundingClientRect().top - {place})"
        button.evaluate(scroll)
        assert card.bounding_box()["y"] < 0
        button.tap()
        let_settle(page)
        assert button.bounding_box()["y"] == pytest.approx(place, abs=2)

    for _ in range(2):
        page.get_by_role("button", name="Take back").tap()
    show(page, "To look at")
    card.get_by_role("button", name="None of these").scroll_into_view_if_needed()
    card.get_by_role("button", name="None of these").tap()
    expect(card_of(page, "3.png")).to_be_focused()
    expect(card_of(page, "3.png").locator(".name")).to_be_in_viewport()


def test_keys_go_through_what_is_to_be_looked_at(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, f"{name}.png", 4) for name in "abcdef"])
    show(page, "To look at")
    card_of(page, "a.png").locator(".thumbnail").click()
    for key, name in (("Enter", "b"), ("6", "c"), ("ArrowRight", "d"), ("n", "e"), ("x", "e")):
        page.keyboard.press(key)
        expect(card_of(page, f"{name}.png")).to_be_focused()
    for held in ("Control", "Alt", "Meta"):  # the browser's own, and the system's
        page.keyboard.press(f"{held}+3")
    page.keyboard.down("3")
    page.keyboard.down("3")  # held, and not for the next photo
    page.keyboard.up("3")
    expect(card_of(page, "f.png")).to_be_focused()
    page.keyboard.press("Backspace")  # as the last one was wrong
    expect(card_of(page, "e.png")).to_be_focused()
    expect(card_of(page, "e.png").locator(".label")).to_have_text("Coat")
    assert counts(page) == ["3", "3", "0"]

    show(page, "Checked")
    card_of(page, "b.png").locator(".thumbnail").click()
    page.keyboard.press("Enter")  # right as a person has said it, and not as the model did
    expect(card_of(page, "d.png")).to_be_focused()
    expect(card_of(page, "b.png").locator(".label")).to_have_text("Shirt")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")
    expect(card_of(page, "b.png")).to_have_count(0)
    show(page, "To look at")
    card_of(page, "f.png").get_by_role("button", name="Coat").press("Enter")  # the button's own
    expect(card_of(page, "e.png")).to_be_focused()  # the one before, as this was the last
    assert labels_of(page) == {
        "a.png": "Coat",
        "b.png": "",
        "c.png": "",
        "d.png": "other",
        "e.png": "",
        "f.png": "Coat",
    }
    card_of(page, "b.png").locator(".thumbnail").click()
    for _ in range(3):
        page.keyboard.press("3")
    expect(page.get_by_text("No photo here.")).to_be_visible()
    expect(page.get_by_role("radio", name="To look at")).to_be_focused()
    page.keyboard.press("Backspace")
    expect(page.locator(".card")).to_be_focused()
    assert counts(page) == ["1", "5", "0"]


def test_who_labels_all_by_hand_sees_what_is_left(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    page.set_input_files("#files", broken)
    expect(page.locator("#count-failed")).to_have_text("1")
    page.set_input_files("#files", [grey_photo(tmp_path, f"{name}.png", 4) for name in "abc"])
    expect(page.locator("#count")).to_have_text("4 of 4 photos")
    show(page, "Not checked")
    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator("#count-unchecked")).to_have_text("3")
    card_of(page, "a.png").locator(".thumbnail").click()
    page.keyboard.press("Enter")
    expect(card_of(page, "b.png")).to_be_focused()
    expect(card_of(page, "a.png")).to_have_count(0)
    page.set_input_files("#files", grey_photo(tmp_path, "d.png", 4))
    expect(page.locator(".card .name")).to_have_text(["b.png", "c.png", "d.png"])
    page.keyboard.press("Backspace")
    expect(card_of(page, "a.png")).to_be_focused()
    expect(page.locator("#count-unchecked")).to_have_text("4")


def test_only_what_is_seen_is_taken_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, f"{n:03}.png", 4) for n in range(130)])
    page.get_by_role("searchbox").fill("120")
    choose(card_of(page, "120.png"), "Coat")
    page.get_by_role("searchbox").fill("00")
    card_of(page, "001.png").locator(".thumbnail").click()
    page.keyboard.press("Backspace")
    expect(card_of(page, "001.png")).to_be_focused()
    assert counts(page)[1] == "1"
    page.get_by_role("searchbox").fill("")
    card_of(page, "001.png").locator(".thumbnail").click()
    page.keyboard.press("Backspace")
    expect(card_of(page, "120.png")).to_be_focused()
    assert counts(page)[1] == "0"


def test_the_last_key_is_what_is_taken_back(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, f"{name}.png", 4) for name in "abc"])
    for name in "ab":
        choose(card_of(page, f"{name}.png"), "Dress")
    card_of(page, "a.png").locator(".thumbnail").click()
    page.keyboard.press("8")  # over the label that it has
    expect(card_of(page, "b.png")).to_be_focused()
    page.keyboard.press("Backspace")
    expect(card_of(page, "a.png")).to_be_focused()
    assert labels_of(page) == {"a.png": "Dress", "b.png": "Dress", "c.png": ""}
    card_of(page, "c.png").locator(".thumbnail").click()
    page.keyboard.press("1")
    expect(page.get_by_role("radio", name="All")).to_be_focused()  # and not on the last one still
    page.keyboard.press("4")
    assert labels_of(page)["c.png"] == "Trouser"
    card_of(page, "b.png").locator(".thumbnail").click()
    page.keyboard.press("Backspace")  # its own: somebody has gone back to it
    assert labels_of(page) == {"a.png": "Dress", "b.png": "", "c.png": "Trouser"}


def test_labels_are_taken_back_with_the_button(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    files = [grey_photo(tmp_path, f"{name}.png", 4) for name in "abc"]
    answered(page, files)
    button = page.get_by_role("button", name="Take back")
    expect(button).to_be_disabled()
    choose(card_of(page, "a.png"), "Dress")
    choose(card_of(page, "a.png"), "Coat")
    show(page, "To look at")
    choose(card_of(page, "b.png"), "Coat")
    button.click()
    expect(card_of(page, "b.png")).to_be_focused()  # it is back in the list
    assert counts(page) == ["2", "1", "0"]
    page.get_by_role("searchbox").fill("c")
    button.press("Enter")  # what hides it gives way
    expect(page.get_by_role("searchbox")).to_have_value("")
    expect(card_of(page, "a.png")).to_be_focused()
    expect(card_of(page, "a.png").locator(".label")).to_have_text("Dress")
    button.click()
    assert counts(page) == ["3", "0", "0"]
    expect(button).to_be_disabled()
    answered_again(page, files)
    assert counts(page) == ["3", "0", "0"]


def test_second_click_of_a_double_click_is_not_for_the_next_photo(
    grey_service: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, f"{name}.png", 4) for name in "abc"])
    show(page, "To look at")
    card_of(page, "a.png").get_by_role("button", name="Coat").dblclick()
    assert counts(page) == ["2", "1", "0"]


def test_what_arrives_moves_nothing(grey_service: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(grey_service)
    answered(page, [grey_photo(tmp_path, f"{name}.png", 4) for name in "abc"])
    show(page, "To look at")
    card_of(page, "b.png").locator(".thumbnail").click()
    answered(page, [grey_photo(tmp_path, f"{n:03}.png", 4) for n in range(120)], before=3)
    names = page.locator(".card .name")
    assert names.all_inner_texts()[:3] == ["a.png", "b.png", "c.png"]
    fourth = names.nth(3).inner_text()  # whichever was answered first
    expect(card_of(page, "b.png")).to_be_focused()
    page.keyboard.press("3")
    expect(card_of(page, "c.png")).to_be_focused()
    page.keyboard.press("3")
    expect(card_of(page, fourth)).to_be_focused()
    page.keyboard.press("Backspace")
    expect(names.nth(1)).to_have_text("c.png")  # where the hand is
    expect(card_of(page, "c.png")).to_be_focused()

    show(page, "All")  # here the newest are on top, and the focus stays all the same
    card_of(page, "050.png").locator(".thumbnail").click()
    answered(page, [grey_photo(tmp_path, f"n{n:03}.png", 4) for n in range(120)], before=123)
    expect(names.nth(0)).to_have_text("n000.png")
    expect(page.locator(".card:focus")).to_contain_text("050.png")
