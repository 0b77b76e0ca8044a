"""Photos whose labels stand in tables, and not in the names of their folders."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from app.errors import ServiceError
from training.data.datasets import SUFFIXES, ImageFile, ImageFolder
from training.data.label_tables import Row
from training.data.listing import open_tree, refuse_undecodable
from training.data.originals import Source, source_of
from training.errors import DataError


def list_labelled(path: Path, rows: Sequence[Row]) -> Source:
    """The photos of a folder or zip that rows of tables name, each with the class of its row.

    A row's file may begin above `path`, as when a folder was dropped on the page, or below it, as
    when photos were chosen there. Where folders were renamed, name and size find it. What a person
    says goes before what the model was sure of.

    Raises:
        DataError: there is nothing there, or no row names a photo of it.
    """
    folder = _photos(path)
    found, not_found = _find(rows, folder)
    looked_at = {photo for row, photo in found if row.by_person}
    told: dict[ImageFile, dict[str, str]] = defaultdict(dict)
    for row, photo in found:
        if row.by_person or photo not in looked_at:
            told[photo].setdefault(row.folder, row.where)
    if not told:
        raise DataError(f"no photo in {path} is one of the tables' (first: {not_found[0]})")
    labelled = [
        ImageFile(photo.name, next(iter(classes)), photo.member)
        for photo, classes in sorted(told.items(), key=lambda pair: pair[0].name)
        if len(classes) == 1
    ]
    source = source_of(ImageFolder(path, labelled, folder.archive), within=0)
    source.in_two_classes = [
        f"{photo.name}: {', '.join(f'{name} ({where})' for name, where in classes.items())}"
        for photo, classes in told.items()
        if len(classes) > 1
    ]
    source.not_found = not_found
    source.ignored = []  # folders say nothing here
    source.unlabelled = [photo.name for photo in folder.files if photo not in told]
    return source


def _photos(path: Path) -> ImageFolder:
    """Whatever their folders."""
    archive, members = open_tree(path)
    files = []
    for file, member in members:
        if file.suffix.lower() in SUFFIXES:
            refuse_undecodable(path, file.as_posix())
            files.append(ImageFile(file.as_posix(), "", member))
    return ImageFolder(path, files, archive)


def _find(
    rows: Sequence[Row], folder: ImageFolder
) -> tuple[list[tuple[Row, ImageFile]], list[str]]:
    """The rows with their photos, and in words those that have none, or might have several."""
    photos: dict[str, list[ImageFile]] = defaultdict(list)
    for photo in folder.files:
        photos[_parts(photo.name)[-1]].append(photo)
    found: list[tuple[Row, ImageFile]] = []
    not_found: list[str] = []
    elsewhere: dict[ImageFile, list[Row]] = defaultdict(list)
    for row in rows:
        name = _parts(str(row.file))
        of_size = [photo for photo in photos[name[-1]] if row.size in (None, folder.size(photo))]
        fitting = _closest(name, of_size)
        if fitting and _are_copies(fitting, folder):
            found += [(row, photo) for photo in fitting]
        elif not fitting and row.size is not None and len(of_size) == 1:
            elsewhere[of_size[0]].append(row)
        else:
            several = fitting or (row.size is not None and of_size)
            why = " is the name of several photos" if several else _not_read(row)
            not_found.append(f"{row.where}: {row.file}{why}")
    named = {photo for _, photo in found}
    for photo, claims in elsewhere.items():
        # In a renamed folder, unless it is the only one left of several.
        if photo not in named and len({row.file for row in claims}) == 1:
            found += [(row, photo) for row in claims]
        else:
            not_found += [f"{row.where}: {row.file}" for row in claims]
    return found, not_found


def _closest(name: tuple[str, ...], photos: Sequence[ImageFile]) -> list[ImageFile]:
    """Those whose path ends as the name does, as far as both go; the more of it, the better."""
    alike = defaultdict(list)
    for photo in photos:
        parts = _parts(photo.name)
        common = min(len(parts), len(name))
        if parts[-common:] == name[-common:]:
            alike[common].append(photo)
    return alike[max(alike)] if alike else []


def _are_copies(photos: Sequence[ImageFile], folder: ImageFolder) -> bool:
    if len(photos) == 1:
        return True
    try:
        return len({folder.read(photo) for photo in photos}) == 1
    except ServiceError:  # damaged in the zip, so nobody can tell
        return False


def _not_read(row: Row) -> str:
    """The service goes by a photo's content, and training by its name's end as well."""
    if row.file.suffix.lower() in SUFFIXES:
        return ""
    return f" (read are files that end in {', '.join(SUFFIXES)})"


def _parts(name: str) -> tuple[str, ...]:
    """macOS writes the letters and the accents of a name apart; browsers may join them."""
    return PurePosixPath(unicodedata.normalize("NFC", name)).parts
