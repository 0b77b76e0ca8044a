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


def contents(folder: Path) -> dict[Path, bytes | None]:
    """All that is in a folder, hidden or not, with what the files hold."""
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_packs_and_folders_hold_the_same(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    source = str(make_tree("photos", COUNTS))
    prepare(source, tmp_path / "tree")
    prepare(source, tmp_path / "packed", pack=True)

    for split in ("train", "valid", "test"):
        tree, pack = tmp_path / "tree" / split, tmp_path / "packed" / f"{split}.zip"
        assert names(tree) == names(pack)
        with zipfile.ZipFile(pack) as archive:  # the same data gives the same bytes
            assert archive.namelist() == names(tree)
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


@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_is_told_in_a_line_and_leaves_what_was_there(
    make_tree: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: bool,
) -> None:
    source, data = make_tree("photos", COUNTS), tmp_path / "disk/data"
    if there:
        prepare(str(source), data, pack=True)
    before = contents(tmp_path / "disk")
    written: list[Path] = []

    def full(archive: zipfile.ZipFile, name: zipfile.ZipInfo, data: bytes) -> None:
        written.append(Path(str(archive.filename)))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    command = ["prepare", str(source), "--output", str(data), "--pack", "--overwrite"]

    assert main(command) == 2

    assert capsys.readouterr().err.endswith("error: No space left on device\n")
    assert data in written[0].parents, "on the disk that it stays on: nothing is copied at the end"
    assert contents(tmp_path / "disk") == before


@pytest.mark.parametrize("fails_at", range(8))
def test_what_was_there_is_put_back_where_the_new_cannot_take_its_place(
    make_tree: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fails_at: int,
) -> None:
    """As where a disk is mounted at a split."""
    source, data, renamed = make_tree("photos", COUNTS), tmp_path / "data", 0
    prepare(str(source), data)
    before, rename = contents(data), Path.rename

    def busy(path: Path, target: Path) -> Path:
        nonlocal renamed
        renamed += 1
        if renamed == fails_at + 1:
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    assert main(["prepare", str(source), "--output", str(data), "--seed", "1", "--overwrite"]) == 2

    assert capsys.readouterr().err.endswith(": Device or resource busy\n")
    assert contents(data) == before


def test_a_link_is_replaced_and_what_it_leads_to_stays(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    source, elsewhere = str(make_tree("photos", COUNTS)), make_tree("elsewhere", COUNTS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train").symlink_to(elsewhere)

    prepare(source, tmp_path / "data", overwrite=True)

    assert not (tmp_path / "data/train").is_symlink()
    assert len(names(elsewhere)) == 50


def test_what_a_killed_run_left_is_cleared_away(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "data/.prepare.partial/new").mkdir(parents=True)

    prepare(str(make_tree("photos", COUNTS)), tmp_path / "data")

    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "prepared.json", "test", "train", "valid",
    ]  # fmt: skip


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

    assert (
        capsys.readouterr().err
        == f"error: {tmp_path}/file/data/.prepare.partial: Not a directory\n"
    )


@pytest.mark.parametrize("place", ["photos", "photos/data", "."])
def test_originals_are_never_overwritten(
    make_tree: Callable[..., Path], tmp_path: Path, place: str
) -> None:
    source = make_tree("photos", COUNTS)
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
