"""Where `prepare` writes, and what it never overwrites or leaves behind."""

import errno
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from training.__main__ import main
from training.data.datasets import open_images
from training.errors import DataError
from training.prepare import prepare

COUNTS = {"Coat": 20, "Dress": 20, "Bag": 10}


def names(path: Path) -> list[str]:
    return [file.name for file in open_images(path).files]


def test_packs_and_folders_hold_the_same(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    source = str(make_tree("photos", COUNTS))
    prepare(source, tmp_path / "tree")
    prepare(source, tmp_path / "packed", pack=True)

    for split in ("train", "valid", "test"):
        tree, pack = tmp_path / "tree" / split, tmp_path / "packed" / f"{split}.zip"
        assert names(tree) == names(pack)
        a, b = open_images(tree), open_images(pack)
        assert [a.read(file) for file in a.files] == [b.read(file) for file in b.files]


def test_an_output_that_is_a_file_is_told(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SystemExit):
        main(["prepare", str(make_tree("photos", COUNTS)), "--output", str(tmp_path / "file")])

    assert "file is a file: name a folder" in capsys.readouterr().err


def test_the_output_may_be_the_folder_where_one_is(
    make_tree: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_tree("photos", COUNTS)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    for more in ([], ["--overwrite"]):
        assert main(["prepare", str(source), "--output", ".", *more]) == 0
        assert sorted(path.name for path in Path.cwd().iterdir()) == [
            "prepared.json", "test", "train", "valid",
        ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "photos"]


def test_a_full_disk_is_told_in_a_line_and_nothing_is_left(
    make_tree: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(archive: zipfile.ZipFile, name: zipfile.ZipInfo, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    source = make_tree("photos", COUNTS)

    assert main(["prepare", str(source), "--output", str(tmp_path / "data"), "--pack"]) == 2

    assert capsys.readouterr().err.endswith("error: No space left on device\n")
    assert list(tmp_path.iterdir()) == [source]


def test_an_output_that_cannot_be_made_is_told_before_the_reading(
    make_tree: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("training.prepare.check", lambda items: pytest.fail("it was read"))
    (tmp_path / "file").touch()
    source = make_tree("photos", COUNTS)

    assert main(["prepare", str(source), "--output", str(tmp_path / "file/data")]) == 2

    assert capsys.readouterr().err == f"error: {tmp_path}/file/data.partial: Not a directory\n"


@pytest.mark.parametrize("place", ["photos.partial", "photos.partial/data", ".", "photos"])
def test_originals_are_never_overwritten(
    make_tree: Callable[..., Path], tmp_path: Path, place: str
) -> None:
    source = make_tree("photos.partial", COUNTS)
    before = names(source)

    with pytest.raises(DataError, match="one within the other"):
        prepare(str(source), tmp_path / place, overwrite=True)
    assert names(source) == before


def test_what_is_there_is_not_overwritten_unasked(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    source = str(make_tree("photos", COUNTS))
    prepare(source, tmp_path / "data")

    with pytest.raises(DataError, match="not empty"):
        prepare(source, tmp_path / "data")
    prepare(source, tmp_path / "data", overwrite=True)


def test_only_prepared_data_is_overwritten(
    make_tree: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(make_tree("photos", COUNTS))
    prepare(source, tmp_path / "data/ours")
    before = names(tmp_path / "data")

    monkeypatch.setattr("training.prepare.check", lambda items: pytest.fail("it was read"))
    with pytest.raises(DataError, match="holds 'ours', which no prepared data has"):
        prepare(source, tmp_path / "data", overwrite=True)
    assert names(tmp_path / "data") == before
