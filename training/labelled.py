"""Photos whose labels stand in tables, and not in the names of their folders."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from training.datasets import FOLDERS, SUFFIXES, ImageFile, ImageFolder
from training.errors import DataError
from training.folder_names import is_hidden
from training.label_tables import Row
from training.listing import open_tree, refuse_undecodable
from training.originals import Source, source_of


def list_labelled(path: Path, rows: Sequence[Row]) -> Source:
    """The photos of a folder or zip that rows of tables name, each with the class of its row.

    A row's file may begin above `path`, as when a folder was dropped on the page, or below it, as
    when photos were chosen there. Where folders were renamed, name and size find it. What a person
    says goes before what the model was sure of.

    Raises:
        DataError: there is nothing there, or no row names a photo of it.
    """
    folder = _photos(path)
    photos: dict[str, list[ImageFile]] = defaultdict(list)
    for photo in folder.files:
        photos[_parts(photo.name)[-1]].append(photo)
    not_found: list[str] = []
    found: list[tuple[Row, ImageFile]] = []
    for row in rows:
        match _named(row, folder, photos[_parts(str(row.file))[-1]]):
            case [photo]:
                found.append((row, photo))
            case [_, *_]:
                not_found.append(f"{row.where}: {row.file} is the name of several photos")
            case _:
                not_found.append(f"{row.where}: {row.file}{_not_read(row)}")
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
    ids = {name: place for place, name in enumerate(FOLDERS)}
    source = source_of(ImageFolder(path, labelled, folder.archive), ids, within=0)
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
    for file, member in sorted((PurePosixPath(member), member) for member in members):
        if file.suffix.lower() in SUFFIXES and not is_hidden(file):
            refuse_undecodable(path, file.as_posix())
            files.append(ImageFile(file.as_posix(), "", member))
    return ImageFolder(path, files, archive)


def _named(row: Row, folder: ImageFolder, photos: Sequence[ImageFile]) -> list[ImageFile]:
    """Those that the row may mean; of files with the same content, one."""
    theirs = _parts(str(row.file))
    of_size = [photo for photo in photos if row.size in (None, folder.size(photo))]
    found = [photo for photo in of_size if _end_alike(_parts(photo.name), theirs)]
    if not found and row.size is not None:
        found = of_size
    if len(found) > 1:
        return list({folder.read(photo): photo for photo in reversed(found)}.values())
    return found


def _end_alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    common = min(len(one), len(other))
    return one[-common:] == other[-common:]


def _not_read(row: Row) -> str:
    """The service goes by a photo's content, and training by its name's end as well."""
    if row.file.suffix.lower() in SUFFIXES:
        return ""
    return f" (read are files that end in {', '.join(SUFFIXES)})"


def _parts(name: str) -> tuple[str, ...]:
    """macOS writes the letters and the accents of a name apart; browsers may join them."""
    return PurePosixPath(unicodedata.normalize("NFC", name)).parts
