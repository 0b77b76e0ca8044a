"""Figures as people read them, in reports and on the terminal."""

from __future__ import annotations


def percent(share: float | None, digits: int = 1) -> str:
    """A share as text, such as `94.5 %`; a dash where there is none."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"  # noqa: RUF001  # a dash


def image_count(count: int) -> str:
    """A number of images as text."""
    return _counted(count, "image")


def photo_count(count: int) -> str:
    """A number of photos as text."""
    return _counted(count, "photo")


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
