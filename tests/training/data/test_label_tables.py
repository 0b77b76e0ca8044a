from pathlib import Path

import pytest

from training.data.label_tables import read_tables
from training.errors import DataError

HEAD = "file,bytes,modified,true_label,label,review_reasons"


def write(folder: Path, *lines: str, head: str = HEAD, encoding: str = "utf-8-sig") -> Path:
    table = folder / "garments.csv"
    table.write_bytes("\r\n".join([head, *lines, ""]).encode(encoding))
    return table


def test_rows_with_a_true_label_are_read(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        "home/a b.jpg,12,,T-shirt/top,Shirt,ambiguous",
        "b.jpg,13,,,Coat,",
        '"c, d.jpg",,,other,Coat,not_a_garment',
        "e.jpg,14,,,Bag,too_small",
    )

    rows = read_tables([table])

    assert [(str(row.file), row.size, row.folder) for row in rows] == [
        ("home/a b.jpg", 12, "T-shirt-top"),
        ("c, d.jpg", None, "other"),
    ]
    assert [row.where for row in rows] == ["garments.csv, line 2", "garments.csv, line 4"]


def test_answers_that_asked_for_no_review_count_if_wanted(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        "a.jpg,1,,Shirt,Coat,",  # a person goes before the model
        "b.jpg,1,,,Coat,",
        "c.jpg,1,,,Coat,low_confidence ambiguous",
        "cut.jpg,1,,,Coat",
        "d.jpg,1,,,,",  # failed
        "e.jpg",
    )

    rows = read_tables([table], accepted=True)

    told = [(row.file.name, row.folder, row.by_person) for row in rows]
    assert told == [("a.jpg", "Shirt", True), ("b.jpg", "Coat", False)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table_may_come_from_a_spreadsheet(tmp_path: Path, delimiter: str, start: str) -> None:
    head = delimiter.join(["file", "bytes", "true_label"])
    line = delimiter.join([f"'{start}1+2.jpg", "7", " dress "])
    table = write(tmp_path, line, delimiter * 2, head=head, encoding="utf-8")

    (row,) = read_tables([table])

    assert (str(row.file), row.size, row.folder) == (f"{start}1+2.jpg", 7, "Dress")


@pytest.mark.parametrize(
    ("head", "line", "problem"),
    [
        ("file,label", "a.jpg,Coat", r"has no column true_label.*Its columns: file, label"),
        (HEAD, "a.jpg,1,,Jacket,,", r"line 2: 'Jacket': none of these classes: T-shirt-top, "),
        (HEAD, ",1,,Coat,,", "line 2: the label 'Coat' is of no file"),
        (HEAD, "a.jpg,1,,,Coat,false", r"garments\.csv: no row has a true_label"),
        (HEAD, '"a.jpg,1,,Coat,Coat,true', r"garments\.csv is no CSV"),
        ("file,true_label", "a.jpg,", "no row has a true_label"),
        ("", "", "has no column file, true_label.*columns: none"),
    ],
)
def test_table_that_cannot_be_used_is_told(
    tmp_path: Path, head: str, line: str, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        read_tables([write(tmp_path, line, head=head)])


@pytest.mark.parametrize("before", ["sep=;", "", ";;"])
def test_lines_before_the_head_are_passed_over(tmp_path: Path, before: str) -> None:
    table = write(tmp_path, "file;true_label", "a.jpg;Coat", head=before)

    assert [row.where for row in read_tables([table])] == ["garments.csv, line 3"]


def test_numbers_that_a_spreadsheet_has_changed_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: bytes is '1590\.0', no number"):
        read_tables([write(tmp_path, "a.jpg,1590.0,,Coat,,")])


def test_all_wrong_labels_are_told_at_once(tmp_path: Path) -> None:
    table = write(tmp_path, *[f"{n}.jpg,1,,Hat{n},," for n in range(12)])

    with pytest.raises(DataError, match=r"line 2: 'Hat0'; .*line 11: 'Hat9' and 2 more: none of"):
        read_tables([table])


def test_answers_need_their_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column label, review_reasons: "):
        read_tables([write(tmp_path, "a.jpg,Coat", head="file,true_label")], accepted=True)


def test_another_encoding_is_told(tmp_path: Path) -> None:
    table = write(tmp_path, "Café.jpg,1,,Coat,,", encoding="cp1252")

    with pytest.raises(DataError, match=r"garments\.csv is not UTF-8: save it as CSV in UTF-8"):
        read_tables([table])
