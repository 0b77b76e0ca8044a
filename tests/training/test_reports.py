from __future__ import annotations

import io
from html.parser import HTMLParser

from PIL import Image

from training.reports.page import (
    Gallery,
    Photo,
    Picture,
    Report,
    Section,
    Text,
    listed,
    percent,
    render,
    with_interval,
)


class Headings(HTMLParser):
    """Collects the headings of a page, and what each link of the navigation leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: dict[str, str] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("h2", "h3"):
            self.headings[given["id"] or ""] = tag
        if tag == "a":
            self.links.append((given["href"] or "").removeprefix("#"))


def page(*sections: Section) -> str:
    return render(Report("Title", "Summary.", [], sections, "a command"))


def test_sections_stand_below_one_another_and_are_linked() -> None:
    parts = [Section("Inner", [Text("in")]), Section("Inner", [Text("in again")])]
    found = Headings()
    found.feed(page(Section("First", [Text("one")], parts), Section("Second", [Text("two")])))
    assert found.headings == {
        "section-1": "h2",
        "section-1-1": "h3",
        "section-1-2": "h3",
        "section-2": "h2",
    }
    assert found.links == list(found.headings)


def test_what_is_written_is_no_markup() -> None:
    text = page(Section("<b>", [Text("<script>"), Gallery("<i>", [Photo(b"", ["<u>"])])]))
    assert not any(tag in text for tag in ("<b>", "<script>", "<i>", "<u>"))
    assert "&lt;script&gt;" in text


def test_photos_keep_their_colours_on_a_dark_page() -> None:
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "WEBP")
    gallery = Gallery("Look", [Photo(data.getvalue(), ["Coat", "a.png"])])
    text = page(
        Section("One", [gallery, Picture(b"", "a drawing"), Picture(b"", "", of_photos=True)])
    )
    assert text.count("<img ") == 3
    assert text.count('class="drawing"') == 1
    assert 'src="data:image/webp;base64,UklG' in text  # RIFF, as a WebP begins


def test_shares_and_lists_in_words() -> None:
    assert with_interval(0.945, (0.912, 0.966)) == "94.5 % (91.2 to 96.6)"
    assert with_interval(None, None) == percent(None)
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
