"""Fill the page with photos whose answers are known, label them, and read what it shows."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.training.grey_model import level_of

OpenPage = Callable[..., Page]


def grey_photo(folder: Path, name: str, label: int) -> Path:
    """A photo that the grey model gives this label; as it is blank, a person is to look."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    # A pixel of its own: equal photos are one to `prepare`.
    image = Image.new("L", (64, 64), level_of(label))
    image.putpixel((0, 0), len(list(folder.rglob("*.png"))))
    image.save(file)
    return file


def answered(page: Page, files: list[Path], before: int = 0) -> None:
    """Add the files to so many that are answered before, and wait for all."""
    page.set_input_files("#files", files)
    count = before + len(files)
    expect(page.locator("#status")).to_contain_text(f"{count} of {count} photos answered")


def answered_again(page: Page, files: list[Path]) -> None:
    """In the page as somebody finds it who comes back."""
    page.reload()
    answered(page, files)


def card_of(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has_text=name)


def choose(card: Locator, category: str) -> None:
    card.get_by_role("button", name=category).click()


def counts(page: Page) -> list[str]:
    return [page.locator(f"#count-{kind}").inner_text() for kind in ("review", "checked", "failed")]


def show(page: Page, kind: str) -> None:
    page.locator("#filter").get_by_text(re.compile(f"^{kind}")).click()


def labels_of(page: Page) -> dict[str, str]:
    """The photos' true labels, by the downloaded table."""
    text = table_of(page).read_bytes().decode("utf-8-sig")
    return {row["file"]: row["true_label"] for row in csv.DictReader(StringIO(text))}


def table_of(page: Page) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download table").click()
    return Path(download.value.path())


@contextmanager
def without_service(page: Page) -> Iterator[None]:
    """What is sent meanwhile fails for good: the service seems to be back, and is not."""
    page.route("**/predict*", lambda route: route.abort("internetdisconnected"))
    yield
    page.unroute("**/predict*")


_STILL = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  for (let still = 0, last = ""; still < 10;) {
    await frame();
    const now = `${scrollY} of ${document.body.scrollHeight}`;
    still = now === last ? still + 1 : 0;
    last = now;
  }
}"""


def let_settle(page: Page) -> None:
    """Cards that come into sight are laid out only then, on a busy machine after some frames."""
    page.evaluate(_STILL)
