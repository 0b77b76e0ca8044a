"""What `prepare` makes of the images of a source: which it takes, and for which split."""

import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.conftest import png, striped
from training.__main__ import main
from training.data.datasets import open_images
from training.data.loading import load_split
from training.data.originals import check, list_images
from training.errors import DataError
from training.prepare import prepare

COUNTS = {"Coat": 20, "Dress": 20, "Bag": 10}


def names(path: Path) -> list[str]:
    return [file.name for file in open_images(path).files]


def test_corrupt_and_duplicate_images_are_reported_and_left_out(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_tree("photos", COUNTS)
    (source / "Coat/000.png").write_bytes((source / "Coat/000.png").read_bytes()[:80])
    (source / "Coat/text.png").write_text("not an image")
    (source / "Dress/copy.png").write_bytes((source / "Dress/003.png").read_bytes())

    summary = prepare(str(source), tmp_path / "data")

    assert [line.split(":")[0] for line in summary.corrupt] == ["Coat/000.png", "Coat/text.png"]
    assert summary.duplicates == ["Dress/copy.png: the same pixels as Dress/003.png"]
    assert sum(sum(counts.values()) for counts in summary.counts.values()) == 49


def test_images_of_the_same_bytes_and_another_shape_are_two(tmp_path: Path) -> None:
    for name, size in (("a", (28, 14)), ("b", (14, 28)), ("c", (28, 14))):
        image = Image.new("RGB", size, (90, 90, 90))
        (tmp_path / "Coat").mkdir(exist_ok=True)
        image.save(tmp_path / f"Coat/{name}.png")

    checked = check(list_images(tmp_path).items)

    assert [item.name for item in checked.items] == ["a.png", "b.png"]
    assert checked.duplicates == ["Coat/c.png: the same pixels as Coat/a.png"]


def test_of_equal_images_that_to_measure_on_is_kept(tmp_path: Path) -> None:
    for part in ("train", "valid", "test", "more"):
        (tmp_path / part / "Coat").mkdir(parents=True)
        (tmp_path / part / "Coat/1.png").write_bytes(png(striped(4, 1)))

    checked = check(list_images(tmp_path).items)

    assert [item.place for item in checked.items] == ["test/Coat/1.png"]
    assert [line.split(":")[0] for line in checked.duplicates] == [
        "valid/Coat/1.png", "train/Coat/1.png", "more/Coat/1.png",
    ]  # fmt: skip


def test_a_photo_in_two_classes_is_told_first_and_in_neither(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_tree("photos", COUNTS)
    for copy in ("Bag/copy.png", "Coat/again.png"):
        shutil.copy(source / "Coat/003.png", source / copy)
    (source / "Coat/text.png").write_text("not an image")

    assert main(["prepare", str(source), "--output", str(tmp_path / "data")]) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "left out, in two classes: Bag/copy.png, Coat/003.png, Coat/again.png"
    assert told[1].startswith("left out, corrupt: Coat/text.png")
    written = {file.name for file in (tmp_path / "data").rglob("*.png")}
    assert not written & {"copy.png", "again.png", "text.png"}
    assert not list((tmp_path / "data").glob("*/Coat/003.png"))


def test_a_member_that_is_damaged_in_its_zip_is_left_out(tmp_path: Path) -> None:
    good, bad = (bytes([value]) * 200 for value in (1, 2))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for index in range(20):
            archive.writestr(f"Coat/{index}.png", png(striped(4, index)))
        archive.writestr("Coat/bad.png", good)
    content = (tmp_path / "photos.zip").read_bytes()
    (tmp_path / "photos.zip").write_bytes(content.replace(good, bad, 1))

    summary = prepare(str(tmp_path / "photos.zip"), tmp_path / "data")

    assert [line.split(":")[0] for line in summary.corrupt] == ["Coat/bad.png"]
    with pytest.raises(DataError, match=r"Coat/bad\.png: The zip is damaged there"):
        load_split(tmp_path / "photos.zip")


def test_files_of_other_kinds_are_told(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_tree("photos", COUNTS)
    for name in ("Coat/1.HEIC", "Coat/2.heic", "Coat/notes.txt", "Coat/.DS_Store", "notes.txt"):
        (source / name).write_bytes(b"")

    assert main(["prepare", str(source), "--output", str(tmp_path / "data")]) == 0

    [told] = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert told == (
        "left out, 3 files of kinds that are not read (2 .heic, 1 .txt); convert HEIC photos to "
        "JPEG; listed in prepared.json"
    )
    for image in source.rglob("*.png"):
        image.unlink()
    with pytest.raises(DataError, match=r"no images, but 3 files .* convert HEIC photos to JPEG"):
        prepare(str(source), tmp_path / "more")


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_photos_beside_the_class_folders_are_told(
    make_tree: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    zipped: bool,
) -> None:
    source = make_tree("photos", COUNTS)
    unsorted = ["IMG_1.HEIC", "IMG_2.JPG", "IMG_3.png"]
    for name in (*unsorted, "notes.txt", ".hidden.png"):
        (source / name).write_bytes(b"")
    if zipped:
        source = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", source))

    assert main(["prepare", str(source), "--output", str(tmp_path / "data")]) == 0

    [told] = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert told == (
        "left out, 3 photos in no class folder (first: IMG_1.HEIC); listed in prepared.json"
    )
    assert json.loads((tmp_path / "data/prepared.json").read_text())["unsorted"] == unsorted


def test_photos_alone_without_a_class_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/IMG_1.png").write_bytes(png(striped(4, 1)))

    with pytest.raises(
        DataError, match=r"no images, but 1 photo in no class folder \(first: IMG_1"
    ):
        prepare(str(tmp_path / "photos"), tmp_path / "data")


@pytest.mark.parametrize("name", ["val", "validation", "Valid", "dev", "valid_set", "val2017"])
def test_a_valid_split_is_known_by_its_other_names(
    make_tree: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    make_tree("photos/train", {"Coat": 10})
    make_tree(f"photos/{name}", {"Coat": 3}, first=50)
    source = make_tree("photos/Test", {"Coat": 4}, first=100).parent

    assert prepare(str(source), tmp_path / "data").counts == {
        "train": {"Coat": 10},
        "valid": {"Coat": 3},
        "test": {"Coat": 4},
    }


def test_splits_by_other_names_and_folders_of_no_split_are_told(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree("photos/training", {"Coat": 10})
    make_tree("photos/summer", {"Coat": 2}, first=50)
    source = make_tree("photos/testing", {"Coat": 4}, first=100).parent

    assert main(["prepare", str(source), "--output", str(tmp_path / "data")]) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[:3] == [
        "taken for test: testing/",
        "taken for train: training/",
        "folders that name no split, mixed with the rest: summer",
    ]
    assert names(tmp_path / "data/test") == [f"Coat/{index}.png" for index in range(100, 104)]


def test_one_folder_around_everything_is_not_told(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("photos/Our photos", COUNTS)

    assert prepare(str(tmp_path / "photos"), tmp_path / "data").ignored == []


def test_the_photos_are_not_held_in_memory(tmp_path: Path) -> None:
    for index in range(24):
        (tmp_path / "photos/Coat").mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 256, (500, 700, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"photos/Coat/{index}.bmp")

    tracemalloc.start()
    prepare(str(tmp_path / "photos"), tmp_path / "data")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 12e6  # of 25 MB; one photo is 1 MB


def test_of_two_equal_images_the_one_in_test_stays(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("photos/train", {"Coat": 10})
    source = make_tree("photos/test", {"Coat": 2}, first=9).parent

    summary = prepare(str(source), tmp_path / "data")

    assert summary.duplicates == ["train/Coat/009.png: the same pixels as test/Coat/009.png"]


def test_an_unknown_class_is_named_with_what_there_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("Trousers/1.png", b"")
        archive.writestr("Scarves/1.png", b"")

    with pytest.raises(DataError, match=r"'Scarves', 'Trousers' is none of these classes: T-shirt"):
        prepare(str(tmp_path / "photos.zip"), tmp_path / "data")
