"""What names of folders and files mean: nothing to read, a class, or a folder within a class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath


def is_hidden(file: PurePosixPath) -> bool:
    """Whether the file or a folder above it is hidden, or what macOS adds to a zip."""
    return any(part.startswith((".", "__MACOSX")) for part in file.parts)


def meant(folder: str, classes: Sequence[str]) -> int | None:
    """The place of the class that a name means; None where it means none of them.

    Case, spaces, hyphens and underscores do not matter.
    """
    known = [_letters(name) for name in classes]
    letters = _letters(folder)
    return known.index(letters) if letters in known else None


def for_no_class(files: Iterable[str], classes: Sequence[str]) -> str:
    """What to do about files in folders that are no class.

    Those within a class most likely show it: moved to `other`, they would teach that it is no
    garment.
    """
    above = {_class_above(file, classes) for file in files}
    advice = []
    if within := sorted(name for name in above if name is not None):
        advice.append(f"move its images up into {' or '.join(within)}")
    if None in above:
        advice.append("rename the folder, or move its images to other")
    text = "; elsewhere, ".join(advice)
    return text[:1].upper() + text[1:]


def _class_above(file: str, classes: Sequence[str]) -> str | None:
    above = reversed(PurePosixPath(file).parts[:-2])
    return next((name for name in above if meant(name, classes) is not None), None)


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
