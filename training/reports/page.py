"""Reports as one HTML file: pictures embedded, no network, no script, fit for printing.

`explore`, `evaluate` and `compare` describe their findings with the classes of this module;
`templates/report.html` gives all three the same look.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.wording import percent

Level = Literal["good", "note", "warning"]


@dataclass(frozen=True)
class Fact:
    """A figure to see first: its name, its value, and what to know about it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Finding:
    """What was found, how much it matters, and what is or can be done about it."""

    level: Level
    text: str
    action: str = ""
    kind: Literal["finding"] = "finding"


@dataclass(frozen=True)
class Table:
    """Rows of text; the first cell of each is its heading.

    Columns whose index is in `words` are aligned left, all others right, as numbers are; the rows
    in `marked` stand out.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[int] = frozenset({0})
    marked: frozenset[int] = frozenset()
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Picture:
    """A PNG, with a description for those who cannot see it; `width` is in CSS pixels.

    On a dark page a drawing is shown in its opposite colours, a picture `of_photos` is not.
    """

    png: bytes
    description: str
    caption: str = ""
    width: int | None = None
    of_photos: bool = False
    kind: Literal["picture"] = "picture"

    @property
    def source(self) -> str:
        """The picture as a data URL."""
        return _data_url(self.png, "png")


@dataclass(frozen=True)
class Photo:
    """A small WebP, with the lines that stand under it; the first says what is to be seen."""

    webp: bytes
    lines: Sequence[str]

    @property
    def source(self) -> str:
        """The photo as a data URL."""
        return _data_url(self.webp, "webp")


@dataclass(frozen=True)
class Gallery:
    """Photos in as many columns as there is room for."""

    caption: str
    photos: Sequence[Photo]
    kind: Literal["gallery"] = "gallery"


Block = Text | Finding | Table | Picture | Gallery


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it: blocks, then sections of the next level."""

    title: str
    blocks: Sequence[Block]
    sections: Sequence[Section] = ()


@dataclass(frozen=True)
class Report:
    """A page: what it is about, its figures, its sections, and how to make it again."""

    title: str
    summary: str
    facts: Sequence[Fact]
    sections: Sequence[Section]
    command: str
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


def render(report: Report) -> str:
    """The report as the text of an HTML file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(report=report)


def write_report(report: Report, path: Path) -> None:
    """Write the report's HTML file; its folder is there."""
    path.write_text(render(report), encoding="utf-8")


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def with_interval(share: float | None, interval: tuple[float, float] | None) -> str:
    """A share and what it may be as well, such as `94.5 % (91.2 to 96.6)`."""
    if share is None or interval is None:
        return percent(share)
    low, high = interval
    return f"{percent(share)} ({low * 100:.1f} to {high * 100:.1f})"


def listed(words: Sequence[str]) -> str:
    """Words as a list within a sentence, such as `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
