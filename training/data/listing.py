"""List what lies below a folder or in a zip, and refuse names that no report could hold."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from training.data.folder_names import is_hidden
from training.data.zips import open_zip
from training.errors import DataError


def open_tree(path: Path) -> tuple[zipfile.ZipFile | None, list[tuple[PurePosixPath, str]]]:
    """A folder or zip of images: the archive, if it is one, and what lies in it, sorted.

    Each file has its path, and the name that it has there, which may begin with `./`; hidden ones
    are left out.

    Raises:
        DataError: there is nothing there, no zip or one that cannot be read, a link to nothing, or
            the name of it is not UTF-8.
    """
    refuse_undecodable(path.parent, path.name)
    archive = None
    if path.is_dir():
        members = tree_files(path)
    elif path.is_file():
        archive = open_zip(path)
        members = [name for name in archive.namelist() if not name.endswith("/")]
    else:
        raise DataError(f"{path} does not exist: expected a folder or a zip of CLASS/NAME images")
    files = sorted((PurePosixPath(member), member) for member in members)
    return archive, [(file, member) for file, member in files if not is_hidden(file)]


def tree_files(root: Path) -> list[str]:
    """The files below `root`, by their names from there on; links to folders are followed.

    Raises:
        DataError: a link points to nothing: what it stood for would be missing without a word.
        OSError: a folder cannot be read.
    """
    return list(_walk(root, "", frozenset({root.resolve()})))


def _walk(folder: Path, prefix: str, above: frozenset[Path]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if not prefix and entry.name.startswith("."):
                continue
            if entry.is_dir():
                path = Path(entry.path)
                real = path.resolve()
                if real not in above:  # a link to a folder that it lies in would have no end
                    yield from _walk(path, f"{name}/", above | {real})
            elif entry.is_file():
                yield name
            elif entry.is_symlink() and not entry.name.startswith("."):
                raise DataError(
                    f"{folder / entry.name} is a link to what is not there: mend it or remove it"
                )


def refuse_undecodable(path: Path, name: str) -> None:
    """Refuse a name in bytes that are no UTF-8, here, rather than when a report is written.

    Raises:
        DataError: the name has such bytes, which the message shows as escapes.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        told, where = (
            os.fsencode(text).decode(errors="backslashreplace") for text in (name, str(path))
        )
        raise DataError(f"{where}: the name {told} is not UTF-8: rename it") from None
