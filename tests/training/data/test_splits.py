import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import png, striped
from training.data.datasets import open_images
from training.data.originals import Item
from training.data.splits import split
from training.errors import DataError
from training.prepare import prepare

SHARES = {"valid": 0.1, "test": 0.1}


def photos(count: int, folder: str = "Coat") -> list[Item]:
    return [
        Item(f"{folder}/{index:03d}.png", None, folder, bytes, digest=f"{folder} {index}")
        for index in range(count)
    ]


def places(splits: dict[str, list[Item]]) -> dict[str, set[str]]:
    return {name: {item.place for item in items} for name, items in splits.items()}


def test_what_was_trained_on_is_not_in_the_next_test(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    source = make_tree("photos", {"Coat": 60, "Dress": 60})
    prepare(str(source), tmp_path / "before")
    for index in range(30):
        (source / f"Coat/000-{index}.png").write_bytes(png(striped(4, 500 + index)))
    (source / "Coat/007.png").rename(source / "Coat/renamed.png")
    prepare(str(source), tmp_path / "after")

    def pixels(folder: str, name: str) -> set[bytes]:
        images = open_images(tmp_path / folder / name)
        return {images.read(file) for file in images.files}

    trained = pixels("before", "train")
    for name in ("valid", "test"):
        assert pixels("before", name) <= pixels("after", name)
        assert not pixels("after", name) & trained


@pytest.mark.parametrize("seed", range(5))
def test_added_images_take_none_out_of_train(seed: int) -> None:
    # Also while a class is so small that test and valid are given their one image.
    before = places(split(photos(8), SHARES, seed))
    for count in range(9, 60):
        after = places(split(photos(count), SHARES, seed))
        assert before["train"] <= after["train"]
        before = after


def test_the_shares_hold_class_by_class_as_far_as_chance_lets_them() -> None:
    splits = split([*photos(2000), *photos(1000, "Bag")], {"valid": 0.1, "test": 0.2}, 0)

    for folder, count in (("Coat", 2000), ("Bag", 1000)):
        sizes = [sum(i.folder == folder for i in splits[name]) for name in ("valid", "test")]
        assert sizes[0] == pytest.approx(0.1 * count, rel=0.2)
        assert sizes[1] == pytest.approx(0.2 * count, rel=0.2)


@pytest.mark.parametrize("seed", range(20))
def test_each_split_gets_an_image_of_a_class_of_three(seed: int) -> None:
    splits = split(photos(3), SHARES, seed)

    assert [len(splits[name]) for name in ("train", "valid", "test")] == [1, 1, 1]
    with pytest.raises(DataError, match=r"split: Coat \(2\). A class needs 3: add"):
        split(photos(2), SHARES, seed)


def test_the_cut_of_fashion_mnist_is_that_of_the_released_figures() -> None:
    # As many images of a class as it has, by the names that they get: what was cut in 2026.
    items = [
        Item(f"train/{folder}/train-{index:05d}.png", "train", folder, bytes)
        for folder in ("Bag", "Coat")
        for index in range(6000)
    ]
    items.append(Item("test/Coat/test-00000.png", "test", "Coat", bytes))
    valid = split(items, {"valid": 5_000 / 60_000, "test": 0.1}, 0, shuffled=True)["valid"]

    names = "\n".join(sorted(item.place for item in valid))
    assert len(valid) == 1000
    assert (
        hashlib.sha256(names.encode()).hexdigest()
        == "42532064b822cec8389ec86d08c21d8dca6f52d3d19ca8717254b39bf758ce13"
    )
