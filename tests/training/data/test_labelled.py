import json
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from app.errors import CorruptImage
from training.__main__ import main
from training.data.label_tables import Row
from training.data.labelled import list_labelled
from training.data.originals import Source
from training.errors import DataError


def row(
    file: str,
    folder: str,
    size: int | None = None,
    where: str = "t.csv, line 2",
    by_person: bool = True,
) -> Row:
    return Row(where, PurePosixPath(file), size, folder, by_person)


def labels(source: Source) -> dict[str, str]:
    return {item.place: item.folder for item in source.items}


def add(root: Path, *names: str, data: bytes | None = None) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode() if data is None else data)


def test_photos_are_found_below_and_above_the_folder(tmp_path: Path) -> None:
    add(tmp_path, "photos/a.jpg", "photos/sub/b.jpg", "photos/c.jpg", "photos/notes.txt")
    rows = [row("photos/a.jpg", "Coat"), row("b.jpg", "Bag"), row("sub/d.jpg", "Bag")]

    source = list_labelled(tmp_path / "photos", rows)

    assert labels(source) == {"a.jpg": "Coat", "sub/b.jpg": "Bag"}
    assert [item.read() for item in source.items] == [b"photos/a.jpg", b"photos/sub/b.jpg"]
    assert source.not_found == ["t.csv, line 2: sub/d.jpg"]
    assert source.unlabelled == ["c.jpg"]


def test_photos_of_one_name_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    add(tmp_path, "1/a.jpg", data=b"one")
    add(tmp_path, "2/a.jpg", data=b"three")
    rows = [row("a.jpg", "Coat", 3), row("a.jpg", "Bag", 5), row("a.jpg", "Dress", 4)]

    source = list_labelled(tmp_path, rows)

    assert labels(source) == {"1/a.jpg": "Coat", "2/a.jpg": "Bag"}
    assert source.not_found == ["t.csv, line 2: a.jpg"]


def test_name_of_several_photos_is_left_out_unless_they_are_copies(tmp_path: Path) -> None:
    add(tmp_path, "1/a.jpg", "2/a.jpg")
    add(tmp_path, "1/b.jpg", "2/b.jpg", data=b"the same")

    source = list_labelled(tmp_path, [row("a.jpg", "Coat"), row("b.jpg", "Coat")])

    assert labels(source) == {"1/b.jpg": "Coat", "2/b.jpg": "Coat"}
    assert source.not_found == ["t.csv, line 2: a.jpg is the name of several photos"]
    assert source.unlabelled == ["1/a.jpg", "2/a.jpg"]


def test_the_longest_way_to_a_photo_is_the_one(tmp_path: Path) -> None:
    add(tmp_path, "photos/a.jpg", "photos/2/a.jpg", data=b"one size")
    (tmp_path / "photos/a.jpg").write_bytes(b"ONE SIZE")

    source = list_labelled(tmp_path / "photos", [row("photos/2/a.jpg", "Coat", 8)])

    assert labels(source) == {"2/a.jpg": "Coat"}


def test_label_of_a_photo_that_is_gone_goes_to_no_other(tmp_path: Path) -> None:
    add(tmp_path, "1/a.jpg", data=b"same size")
    gone = [row("2/a.jpg", "Bag", 9), row("3/a.jpg", "Bag", 9)]

    source = list_labelled(tmp_path, [row("1/a.jpg", "Coat", 9), *gone])

    assert labels(source) == {"1/a.jpg": "Coat"}
    assert source.not_found == ["t.csv, line 2: 2/a.jpg", "t.csv, line 2: 3/a.jpg"]
    with pytest.raises(DataError, match="no photo"):  # it may be either
        list_labelled(tmp_path, gone)


def test_damaged_copies_in_a_zip_are_no_end(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("./1/a.JPG", b"the first one")
        file.writestr("2/a.JPG", b"the other one")
        file.writestr("1/b.jpg", b"b" * 1000, zipfile.ZIP_DEFLATED)
        file.writestr("__MACOSX/1/b.jpg", b"b" * 1000)
        file.writestr("train/c.jpg", b"c")
    archive.write_bytes(archive.read_bytes().replace(b"the first one", b"the fIrst one"))
    rows = [row("a.JPG", "Coat", 13), row("b.jpg", "Bag", 1000), row("c.jpg", "Bag", 1)]

    source = list_labelled(archive, rows)

    assert labels(source) == {"1/b.jpg": "Bag", "train/c.jpg": "Bag"}
    assert [item.split for item in source.items] == [None, "train"]
    assert source.items[0].read() == b"b" * 1000
    assert source.not_found == ["t.csv, line 2: a.JPG is the name of several photos"]
    assert sorted(source.unlabelled) == ["1/a.JPG", "2/a.JPG"]

    alone = list_labelled(archive, [row("2/a.JPG", "Coat"), row("1/a.JPG", "Coat")])
    assert [item.place for item in alone.items] == ["1/a.JPG", "2/a.JPG"]
    with pytest.raises(CorruptImage):
        alone.items[0].read()
    assert alone.items[1].read() == b"the other one"


def test_people_who_disagree_are_told(tmp_path: Path) -> None:
    add(tmp_path, "a.jpg", "b.jpg")
    rows = [row("a.jpg", "Coat"), row("b.jpg", "Coat"), row("b.jpg", "Coat", where="u.csv, line 2")]
    rows.append(row("a.jpg", "Shirt", where="u.csv, line 3"))

    source = list_labelled(tmp_path, rows)

    assert labels(source) == {"b.jpg": "Coat"}
    assert source.in_two_classes == ["a.jpg: Coat (t.csv, line 2), Shirt (u.csv, line 3)"]


def test_a_person_goes_before_the_model(tmp_path: Path) -> None:
    add(tmp_path, "a.jpg", "b.jpg")
    rows = [row("a.jpg", "Coat", by_person=False), row("a.jpg", "Shirt")]
    rows += [row("b.jpg", "Bag", by_person=False), row("b.jpg", "Bag", by_person=False)]

    source = list_labelled(tmp_path, rows)

    assert labels(source) == {"a.jpg": "Shirt", "b.jpg": "Bag"}
    assert source.in_two_classes == []


def test_photos_in_renamed_folders_are_found_by_name_and_size(tmp_path: Path) -> None:
    add(tmp_path, "new/a.jpg", "new/b.jpg", "new/c.jpg")
    add(tmp_path, "other/c.jpg", data=b"different")
    size = len("new/a.jpg")
    rows = [row("old/a.jpg", "Coat", size), row("old/b.jpg", "Bag"), row("old/c.jpg", "Bag", size)]

    source = list_labelled(tmp_path, rows)

    assert labels(source) == {"new/a.jpg": "Coat"}
    assert source.not_found == [
        "t.csv, line 2: old/b.jpg",  # it may be another one of this name
        "t.csv, line 2: old/c.jpg is the name of several photos",
    ]


def test_a_file_that_training_does_not_read_is_told(tmp_path: Path) -> None:
    add(tmp_path, "a.jpg", "b")

    source = list_labelled(tmp_path, [row("a.jpg", "Coat"), row("b", "Bag")])

    (told,) = source.not_found
    assert told.startswith("t.csv, line 2: b (read are files that end in .png, ")


def test_names_in_a_zip_that_macos_made_are_utf8(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Käse.jpg")
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("K____se.jpg"[: len(name.encode())], b"cheese")
    content = archive.read_bytes().replace(b"K____se.jpg"[: len(name.encode())], name.encode())
    archive.write_bytes(content)  # without the flag that says that it is UTF-8

    source = list_labelled(archive, [row("Käse.jpg", "Coat", 6)])

    (item,) = source.items
    assert (item.place, item.read()) == (name, b"cheese")


def test_names_in_a_zip_of_old_windows_are_read(tmp_path: Path) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("K_se.jpg", b"cheese")
    archive.write_bytes(archive.read_bytes().replace(b"K_se.jpg", "Käse.jpg".encode("cp437")))

    source = list_labelled(archive, [row("Käse.jpg", "Coat", 6)])

    assert [item.read() for item in source.items] == [b"cheese"]


def test_accents_are_the_same_in_both_spellings(tmp_path: Path) -> None:
    name = "Café.jpg"
    add(tmp_path, unicodedata.normalize("NFD", name))

    source = list_labelled(tmp_path, [row(unicodedata.normalize("NFC", name), "Coat")])

    assert list(labels(source).values()) == ["Coat"]


def test_no_photo_of_the_tables_is_an_error(tmp_path: Path) -> None:
    add(tmp_path, "a.jpg")

    with pytest.raises(DataError, match=r"no photo in .* is one of the tables' \(first: t.csv, li"):
        list_labelled(tmp_path, [row("b.jpg", "Coat")])


@pytest.mark.parametrize("zipped", [False, True])
def test_prepare_takes_labels_from_tables(
    make_tree: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    zipped: bool,
) -> None:
    photos = make_tree("photos", {"Coat": 5, "Bag": 6, "Dress": 1})  # folders that say nothing here
    lines = ["file,bytes,true_label,label,needs_review"]
    for file in sorted(photos.rglob("*.png")):
        label = {"Coat": "Bag", "Bag": "Coat", "Dress": ""}[file.parent.name]
        lines.append(
            f"photos/{file.parent.name}/{file.name},{file.stat().st_size},{label},Coat,true"
        )
    lines.append("photos/Coat/gone.png,7,Coat,Coat,true")
    table = tmp_path / "garments.csv"
    table.write_text("\n".join(lines))
    if zipped:
        archive = tmp_path / "photos.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for photo in photos.rglob("*.png"):
                file.write(photo, photo.relative_to(tmp_path))
        photos = archive

    assert (
        main(["prepare", str(photos), "--output", str(tmp_path / "d"), "--labels", str(table)]) == 0
    )

    told = capsys.readouterr().out
    assert "left out, no such photo: garments.csv, line 14: photos/Coat/gone.png" in told
    assert "left out, 1 photo without a label; listed in prepared.json" in told
    assert "name no split" not in told  # folders say nothing here
    summary = json.loads((tmp_path / "d/prepared.json").read_text())
    counts = summary["counts"].values()
    assert sum(each.get("Bag", 0) for each in counts) == 5
    assert sum(each.get("Coat", 0) for each in counts) == 6
    assert [Path(name).name for name in summary["unlabelled"]] == ["000.png"]


def test_tables_of_several_people_with_what_the_model_was_sure_of(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_tree("photos", {"Coat": 14})
    names = sorted(photo.name for photo in photos.rglob("*.png"))
    head = "file,true_label,label,review_reasons"
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    sure = [f"{name},,Coat," for name in names[3:]]
    ours.write_text("\n".join([head, *(f"{name},Coat,Bag,ambiguous" for name in names[:3]), *sure]))
    theirs.write_text("\n".join([head, f"{names[0]},Bag,Bag,", f"{names[1]},Coat,Bag,"]))
    tables = ["--labels", str(ours), "--labels", str(theirs)]

    assert (
        main(["prepare", str(photos), "--output", str(tmp_path / "d"), *tables, "--accepted"]) == 0
    )

    told = capsys.readouterr().out
    assert f"in two classes: Coat/{names[0]}: Coat (ours.csv, line 2), Bag (theirs.csv, l" in told
    counts = json.loads((tmp_path / "d/prepared.json").read_text())["counts"].values()
    assert sum(each["Coat"] for each in counts) == 13


def test_a_table_is_not_overwritten(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_tree("photos", {"Coat": 5})
    table = tmp_path / "data/garments.csv"
    table.parent.mkdir()
    table.write_text("file,true_label\n000.png,Coat\n")
    flags = ["--labels", str(table), "--output", str(table.parent), "--overwrite"]

    assert main(["prepare", str(photos), *flags]) == 2

    assert "garments.csv and" in capsys.readouterr().err
    assert table.exists()


def test_flags_that_do_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "photos", "--output", str(tmp_path / "d"), "--accepted"]) == 2
    assert "--accepted is for the answers in tables" in capsys.readouterr().err

    table = tmp_path / "garments.csv"
    table.write_text("file,true_label\na.png,Coat\n")
    (tmp_path / "four").mkdir()
    (tmp_path / "four/train-images-idx3-ubyte").touch()
    arguments = [str(tmp_path / "four"), "--output", str(tmp_path / "d"), "--labels", str(table)]
    assert main(["prepare", *arguments]) == 2
    assert "Fashion-MNIST has its own labels" in capsys.readouterr().err
