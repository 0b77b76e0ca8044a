"""Labels that stand in tables: those that the service's page gives ("Download table").

A table is CSV with a row for each photo. `file` is its name, `true_label` what a person says that
it shows; `bytes`, where there is such a column, tells photos of one name apart. `label` and
`needs_review` are the model's answer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.datasets import FOLDERS
from training.errors import DataError
from training.folder_names import meant

FILE, BYTES, TRUE_LABEL, LABEL, REVIEW = "file", "bytes", "true_label", "label", "needs_review"
_DELIMITERS = (",", ";", "\t")
"""Spreadsheets write that of their country."""
_FORMULA = ("'=", "'+", "'-", "'@")
"""The page puts a quote before what a spreadsheet would compute."""


@dataclass(frozen=True)
class Row:
    """What a table says of one photo: `size` is that of its file in bytes, `folder` its class."""

    where: str
    file: PurePosixPath
    size: int | None
    folder: str


def read_tables(paths: Sequence[Path], accepted: bool = False) -> list[Row]:
    """The rows that have a label, in the order of the tables.

    Args:
        paths: of the tables.
        accepted: take the model's answer where no person looked and it asked for none.

    Raises:
        DataError: a table cannot be understood, has a label that is no class, or none has any.
        OSError: a table cannot be read.
    """
    rows = [row for path in paths for row in _read(path, accepted)]
    if not rows:
        told = ", ".join(map(str, paths))
        raise DataError(f"{told}: no row has a {TRUE_LABEL}. Say on the page what the photos show")
    return rows


def _read(path: Path, accepted: bool) -> Iterator[Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: save it as CSV in UTF-8") from error
    needed = {FILE, TRUE_LABEL, *((LABEL, REVIEW) if accepted else ())}
    wrong: list[str] = []
    try:
        table = _table(text)
        if missing := sorted(needed - set(table.fieldnames or ())):
            raise DataError(
                f"{path} has no column {', '.join(missing)}: expected a table of the service's "
                f'page ("Download table"). Its columns: {", ".join(table.fieldnames or ["none"])}'
            )
        for line in table:
            where = f"{path.name}, line {table.line_num}"
            label = _label(line, accepted)
            if not label:
                continue
            file, size = PurePosixPath(_name(line[FILE] or "")), line.get(BYTES) or ""
            if not file.name:
                raise DataError(f"{where}: the label {label!r} is of no file")
            place = meant(label, FOLDERS)
            if place is None:
                wrong.append(f"{where}: {label!r}")
            else:
                yield Row(where, file, int(size) if size.isdecimal() else None, FOLDERS[place])
    except csv.Error as error:
        raise DataError(f"{path} is no CSV: {error}") from error
    if wrong:
        more = f" and {len(wrong) - 10:,} more" if len(wrong) > 10 else ""
        raise DataError(
            f"{'; '.join(wrong[:10])}{more}: none of these classes: {', '.join(FOLDERS)}"
        )


def _table(text: str) -> csv.DictReader[str]:
    """By the delimiter that makes the most columns of the first line."""
    first = text.split("\n", 1)[0]
    return csv.DictReader(
        io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=first.count), strict=True
    )


def _label(line: dict[str, str], accepted: bool) -> str:
    """Cells that a short line lacks are None."""
    if label := (line[TRUE_LABEL] or "").strip():
        return label
    taken = accepted and (line[REVIEW] or "").strip().lower() == "false"
    return (line[LABEL] or "").strip() if taken else ""


def _name(file: str) -> str:
    return file[1:] if file.startswith(_FORMULA) else file
