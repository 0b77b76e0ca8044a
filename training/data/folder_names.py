"""What names of folders and files mean: nothing to read, a split, a class, or what lies in one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from training.errors import DataError

NEEDED = ("train", "valid")
"""Splits that `train` learns from and chooses by, of each source."""

SPLITS = (*NEEDED, "test")


def is_hidden(file: PurePosixPath) -> bool:
    """Whether the file or a folder above it is hidden, or what macOS adds to a zip."""
    return any(part.startswith((".", "__MACOSX")) for part in file.parts)


def splits_among(names: Collection[str], where: str) -> dict[str, str]:
    """Of what lies in a folder, the names of the splits' folders or packs.

    Raises:
        DataError: one of them is there twice.
    """
    found = {}
    for split in SPLITS:
        there = [name for name in (split, f"{split}.zip") if name in names]
        if len(there) > 1:  # which of them is the newer, nobody can tell
            raise DataError(f"{where} has both {split} and {split}.zip: remove one")
        if there:
            found[split] = there[0]
    return found


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
