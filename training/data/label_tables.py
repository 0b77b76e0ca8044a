"""Labels that stand in tables: those that the service's page gives ("Download table").

A table is CSV with a row for each photo. `file` is its name, `true_label` what a person says that
it shows; `bytes`, where there is such a column, tells photos of one name apart. `label` and
`review_reasons` are the model's answer.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.data.datasets import FOLDERS
from training.data.folder_names import meant
from training.errors import DataError

FILE, BYTES, TRUE_LABEL, LABEL = "file", "bytes", "true_label", "label"
REASONS = "review_reasons"
"""Words, and not `needs_review`, whose true and false a spreadsheet translates."""

_DELIMITERS = (",", ";", "\t")
"""Spreadsheets write that of their country."""
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")
"""The page puts a quote before what a spreadsheet would compute."""


@dataclass(frozen=True)
class Row:
    """What a table says of one photo: `size` is that of its file in bytes, `folder` its class.

    `by_person` tells whether a person has said so, or the model was sure of it.
    """

    where: str
    file: PurePosixPath
    size: int | None
    folder: str
    by_person: bool


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
    needed = {FILE, TRUE_LABEL, *((LABEL, REASONS) if accepted else ())}
    wrong: list[str] = []
    try:
        table, skipped = _table(text)
        if missing := sorted(needed - set(table.fieldnames or ())):
            raise DataError(
                f"{path} has no column {', '.join(missing)}: expected a table of the service's "
                f'page ("Download table"). Its columns: {", ".join(table.fieldnames or ["none"])}'
            )
        for line in table:
            where = f"{path.name}, line {table.line_num + skipped}"
            label, by_person = (line[TRUE_LABEL] or "").strip(), True
            if not label and accepted and line[REASONS] == "":
                label, by_person = (line[LABEL] or "").strip(), False
            if not label:
                continue
            file = PurePosixPath(_name(line[FILE] or ""))
            if not file.name:
                raise DataError(f"{where}: the label {label!r} is of no file")
            place = meant(label, FOLDERS)
            if place is None:
                wrong.append(f"{where}: {label!r}")
            else:
                yield Row(where, file, _size(line, where), FOLDERS[place], by_person)
    except csv.Error as error:
        raise DataError(f"{path} is no CSV: {error}") from error
    if wrong:
        more = f" and {len(wrong) - 10:,} more" if len(wrong) > 10 else ""
        raise DataError(
            f"{'; '.join(wrong[:10])}{more}: none of these classes: {', '.join(FOLDERS)}"
        )


def _table(text: str) -> tuple[csv.DictReader[str], int]:
    """The rows, by the delimiter that makes the most columns, and how many lines come before.

    Spreadsheets put the delimiter (`sep=;`) or nothing before the columns' names.
    """
    lines = text.splitlines(keepends=True)
    is_head = [bool(line.strip(" ,;\t\r\n")) and not line.startswith("sep=") for line in lines]
    skipped = is_head.index(True) if any(is_head) else len(lines)
    head = lines[skipped] if any(is_head) else ""
    rest = io.StringIO("".join(lines[skipped:]), newline="")
    delimiter = max(_DELIMITERS, key=head.count)
    return csv.DictReader(rest, delimiter=delimiter, strict=True), skipped


def _size(line: dict[str, str], where: str) -> int | None:
    told = (line.get(BYTES) or "").strip()
    if told and not told.isdecimal():
        raise DataError(f"{where}: {BYTES} is {told!r}, no number of bytes")
    return int(told) if told else None


def _name(file: str) -> str:
    return file[1:] if file.startswith(_FORMULA) else file
