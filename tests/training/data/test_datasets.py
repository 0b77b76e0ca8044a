import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.training.conftest import png, striped
from training.data.datasets import FOLDERS, class_id, find_splits, open_images, split_path
from training.data.loading import Split, load_split
from training.errors import DataError


@pytest.mark.parametrize("name", ["T-shirt-top", "t-shirt/top", "T_shirt top", "tshirttop"])
def test_class_names_are_taken_however_they_are_written(name: str) -> None:
    assert class_id(name) == 0


def test_other_is_the_eleventh_class() -> None:
    assert class_id("other") == 10 == len(FOLDERS) - 1


def test_a_tree_and_a_zip_load_to_the_same_split(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    tree = make_tree("photos", {"Bag": 3, "Trouser": 2})
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for file in sorted(tree.rglob("*.png")):
            archive.write(file, file.relative_to(tree))
        archive.writestr("__MACOSX/Bag/._000.png", b"what macOS adds")

    a, b = load_split(tree, size=48), load_split(tmp_path / "photos.zip", size=48)

    assert a.names == b.names == ["Bag/000.png", "Bag/001.png", "Bag/002.png", "Trouser/000.png",
                                  "Trouser/001.png"]  # fmt: skip
    assert a.labels.tolist() == [8, 8, 8, 1, 1]
    assert a.images.shape == (5, 3, 48, 48)
    assert torch.equal(a.images, b.images)


def test_photos_of_any_shape_fit_the_square(tmp_path: Path) -> None:
    (tmp_path / "Coat").mkdir()
    for index, size in enumerate([(60, 80), (300, 20), (112, 112), (1, 1)]):
        image = striped(4, index, size)
        (tmp_path / "Coat" / f"{index}.png").write_bytes(png(image))

    assert load_split(tmp_path).images.shape == (4, 3, 112, 112)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no images"),
        (lambda path: path.write_text("text"), "neither a folder nor a zip"),
    ],
)
def test_what_is_not_there_is_told(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    make(tmp_path / "photos")

    with pytest.raises(DataError, match=problem):
        open_images(tmp_path / "photos")


def test_a_zip_may_begin_its_names_with_a_dot(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("./Coat/1.png", png(striped(4, 1)))

    assert load_split(tmp_path / "photos.zip").names == ["Coat/1.png"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [(8, 1, "is encrypted"), (10, 9, "is packed by method 9, which Python does not read")],
    ids=["encrypted", "deflate64"],
)
def test_a_zip_that_cannot_be_read_is_refused_with_what_to_do(
    tmp_path: Path, field: int, value: int, problem: str
) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Coat/1.png", png(striped(4, 1)))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + field] = value  # in the directory's entry
    path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        open_images(path)
    assert str(caught.value) == f"{path}: Coat/1.png {problem}: unpack it, and give the folder"


def test_links_to_folders_are_followed_but_not_in_circles(
    make_tree: Callable[..., Path],
) -> None:
    tree, elsewhere = make_tree("photos", {"Bag": 1}), make_tree("elsewhere", {"Coat": 1})
    (tree / "Coat").symlink_to(elsewhere / "Coat")
    (tree / "Bag" / "again").symlink_to(tree)
    (elsewhere / "Coat" / "back").symlink_to(elsewhere / "Coat")

    assert [file.name for file in open_images(tree).files] == ["Bag/000.png", "Coat/000.png"]
    (tree / "Dress").symlink_to(elsewhere / "Dress")
    with pytest.raises(DataError, match=r"photos/Dress is a link to what is not there"):
        open_images(tree)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names have to be Unicode")
def test_a_name_that_is_not_utf8_is_refused(make_tree: Callable[..., Path]) -> None:
    tree = make_tree("photos", {"Coat": 1})
    (tree / "Coat/000.png").rename(tree / os.fsdecode(b"Coat/M\xfctze.png"))

    with pytest.raises(DataError) as caught:
        open_images(tree)
    assert str(caught.value) == f"{tree}: the name Coat/M\\xfctze.png is not UTF-8: rename it"


def test_a_damaged_image_is_named(make_tree: Callable[..., Path]) -> None:
    tree = make_tree("photos", {"Bag": 3})
    (tree / "Bag/001.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing more")

    with pytest.raises(DataError, match=r"Bag/001\.png: .*prepare` leaves such files out"):
        load_split(tree)


def test_splits_are_found_as_folders_and_as_packs(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_tree("data/train", {"Bag": 1}).parent
    zipfile.ZipFile(data / "valid.zip", "w").close()

    assert find_splits(data) == {"train": data / "train", "valid": data / "valid.zip"}
    with pytest.raises(DataError, match="no 'test' split, only train, valid"):
        split_path(data, "test")
    with pytest.raises(DataError, match="training prepare --help"):
        find_splits(tmp_path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_that_is_there_twice_is_refused(make_tree: Callable[..., Path], split: str) -> None:
    data = make_tree("data/train", {"Bag": 1}).parent
    make_tree("data/test", {"Bag": 1})
    zipfile.ZipFile(data / f"{split}.zip", "w").close()

    with pytest.raises(DataError) as caught:
        find_splits(data)
    assert str(caught.value) == f"{data} has both {split} and {split}.zip: remove one"


def test_a_colour_photo_keeps_its_colours(tmp_path: Path) -> None:
    (tmp_path / "Bag").mkdir()
    Image.new("RGB", (50, 50), (200, 30, 60)).save(tmp_path / "Bag/red.webp", lossless=True)

    images = load_split(tmp_path).images

    assert images[0, :, 56, 56].tolist() == [200, 30, 60]


def test_the_digest_tells_names_and_labels_apart() -> None:
    def digest(names: list[str], labels: list[int]) -> str:
        images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        return Split(images, torch.tensor(labels), names).digest

    same, renamed, relabelled = (
        digest(["x", "y"], [0, 1]), digest(["x", "z"], [0, 1]), digest(["x", "y"], [0, 2]),
    )  # fmt: skip
    assert same == digest(["x", "y"], [0, 1])
    assert len({same, renamed, relabelled}) == 3
