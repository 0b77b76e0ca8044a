import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.conftest import png, striped
from training import fashion_mnist
from training.__main__ import main
from training.datasets import find_splits, load_split, open_images
from training.errors import DataError
from training.prepare import prepare

COUNTS = {"Coat": 20, "Dress": 20, "Bag": 10}


def names(path: Path) -> list[str]:
    return [file.name for file in open_images(path).files]


def test_missing_splits_are_cut_off_class_by_class(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    summary = prepare(str(make_tree("photos", COUNTS)), tmp_path / "data")

    assert summary.counts["valid"] == {"Bag": 1, "Coat": 2, "Dress": 2}
    assert summary.counts["test"] == {"Bag": 1, "Coat": 2, "Dress": 2}
    assert summary.counts["train"] == {"Bag": 8, "Coat": 16, "Dress": 16}
    splits = find_splits(tmp_path / "data")
    everything = [name for path in splits.values() for name in names(path)]
    assert len(everything) == len(set(everything)) == 50
    assert json.loads((tmp_path / "data/prepared.json").read_text())["counts"] == summary.counts


def test_a_seed_gives_the_same_bytes_and_another_seed_does_not(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    source = str(make_tree("photos", COUNTS))
    packs = []
    for folder, seed in (("first", 1), ("again", 1), ("other", 2)):
        prepare(source, tmp_path / folder, pack=True, seed=seed)
        packs.append((tmp_path / folder / "valid.zip").read_bytes())

    assert packs[0] == packs[1]
    assert packs[0] != packs[2]


def test_packs_and_folders_hold_the_same(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    source = str(make_tree("photos", COUNTS))
    prepare(source, tmp_path / "tree")
    prepare(source, tmp_path / "packed", pack=True)

    for split in ("train", "valid", "test"):
        tree, pack = tmp_path / "tree" / split, tmp_path / "packed" / f"{split}.zip"
        assert names(tree) == names(pack)
        a, b = open_images(tree), open_images(pack)
        assert [a.read(file) for file in a.files] == [b.read(file) for file in b.files]


def test_splits_that_are_there_are_kept(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    make_tree("photos/train", {"Coat": 10})
    source = make_tree("photos/test", {"Coat": 4}, first=100).parent

    summary = prepare(str(source), tmp_path / "data")

    assert names(tmp_path / "data/test") == [f"Coat/{index}.png" for index in range(100, 104)]
    assert summary.counts == {
        "train": {"Coat": 9},
        "valid": {"Coat": 1},
        "test": {"Coat": 4},
    }


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


def test_an_output_that_is_a_file_is_told(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SystemExit):
        main(["prepare", str(make_tree("photos", COUNTS)), "--output", str(tmp_path / "file")])

    assert "file is a file: name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["val", "validation", "Valid"])
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


@pytest.mark.parametrize("place", ["photos.partial", "photos.partial/data", ".", "photos"])
def test_originals_are_never_overwritten(
    make_tree: Callable[..., Path], tmp_path: Path, place: str
) -> None:
    source = make_tree("photos.partial", COUNTS)
    before = names(source)

    with pytest.raises(DataError, match="one within the other"):
        prepare(str(source), tmp_path / place, overwrite=True)
    assert names(source) == before


def test_of_two_equal_images_the_one_in_test_stays(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("photos/train", {"Coat": 10})
    source = make_tree("photos/test", {"Coat": 2}, first=9).parent

    summary = prepare(str(source), tmp_path / "data")

    assert summary.duplicates == ["train/Coat/009.png: the same pixels as test/Coat/009.png"]


def test_a_class_in_one_split_only_is_an_error(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("photos/train", {"Coat": 5})
    make_tree("photos/valid", {"Coat": 5}, first=10)
    source = make_tree("photos/test", {"Coat": 5, "Bag": 5}, first=20).parent

    with pytest.raises(DataError, match="'Bag' is only in test"):
        prepare(str(source), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_unknown_class_is_named_with_what_there_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("Trousers/1.png", b"")
        archive.writestr("Scarves/1.png", b"")

    with pytest.raises(DataError, match=r"'Scarves', 'Trousers' is none of these classes: T-shirt"):
        prepare(str(tmp_path / "photos.zip"), tmp_path / "data")


def test_what_is_there_is_not_overwritten_unasked(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    source = str(make_tree("photos", COUNTS))
    prepare(source, tmp_path / "data")

    with pytest.raises(DataError, match="not empty"):
        prepare(source, tmp_path / "data")
    prepare(source, tmp_path / "data", overwrite=True)


def test_a_missing_file_of_fashion_mnist_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    folder = tmp_path / "four"
    folder.mkdir()
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")

    with pytest.raises(DataError, match=r"lacks train-images-idx3-ubyte\.gz\. Get the four files"):
        prepare(str(folder), tmp_path / "data")


@pytest.mark.parametrize(("count", "problem"), [(9_999, "is truncated"), (10_000, "SHA-256")])
def test_other_data_is_not_taken_for_fashion_mnist(
    tmp_path: Path, count: int, problem: str
) -> None:
    images = gzip.compress(bytes(16) + bytes(count * 28 * 28), 1)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(images)

    with pytest.raises(DataError, match=problem):
        fashion_mnist.read(tmp_path, "test")


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_whole_of_fashion_mnist(tmp_path: Path) -> None:
    summary = prepare(str(DEBIAN), tmp_path / "data", pack=True)

    totals = {split: sum(counts.values()) for split, counts in summary.counts.items()}
    assert totals == {"train": 55_000, "valid": 5_000, "test": 10_000}
    assert set(summary.counts["valid"].values()) == {500}
    assert (summary.name, summary.licence) == ("Fashion-MNIST", "MIT")
    images, labels = fashion_mnist.read(DEBIAN, "test")
    packed = open_images(tmp_path / "data/test.zip")
    file = next(file for file in packed.files if file.name.endswith("test-00000.png"))
    assert file.folder == "Ankle boot"
    assert labels[0] == 9
    assert np.array_equal(_pixels(packed.read(file)), images[0])


def _pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)))
