import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.data import fashion_mnist
from training.data.datasets import find_splits, open_images
from training.errors import DataError
from training.prepare import prepare

COUNTS = {"Coat": 20, "Dress": 20, "Bag": 10}


def names(path: Path) -> list[str]:
    return [file.name for file in open_images(path).files]


def test_missing_splits_are_cut_off_class_by_class(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    summary = prepare(str(make_tree("photos", COUNTS)), tmp_path / "data")

    for counts in summary.counts.values():
        assert list(counts) == ["Bag", "Coat", "Dress"]
    assert sum(summary.counts["train"].values()) > 30
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


def test_a_class_in_one_split_only_is_an_error(
    make_tree: Callable[..., Path], tmp_path: Path
) -> None:
    make_tree("photos/train", {"Coat": 5})
    make_tree("photos/valid", {"Coat": 5}, first=10)
    source = make_tree("photos/test", {"Coat": 5, "Bag": 5}, first=20).parent

    with pytest.raises(DataError, match="'Bag' is only in test"):
        prepare(str(source), tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("left", [0, 1])
def test_what_is_left_out_is_told_before_what_is_wrong_with_the_rest(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], left: int
) -> None:
    """As that is why: a class lost its images."""
    make_tree("photos/train", {"Coat": 10, "Bag": 1 + left})
    source = make_tree("photos/valid", {"Coat": 4, "Bag": 1}, first=100).parent
    (source / "train/Bag/000.png").write_bytes(b"damaged")

    assert main(["prepare", str(source), "--output", str(tmp_path / "data")]) == 2

    said = capsys.readouterr()
    assert "left out, corrupt: train/Bag/000.png" in said.out
    assert ("too few images to split: Bag (1)" if left else "'Bag' is only in valid") in said.err


def test_a_class_of_which_nothing_is_left_is_refused(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_tree("photos", COUNTS)
    for file in (source / "Bag").iterdir():
        file.write_bytes(b"damaged")

    assert main(["prepare", str(source), "--output", str(tmp_path / "data")]) == 2

    assert "every image of Bag is left out, see above" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_share_for_a_split_that_is_there_is_refused(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree("photos/train", {"Coat": 10})
    source = make_tree("photos/test", {"Coat": 4}, first=100).parent

    assert main(["prepare", str(source), "--output", str(tmp_path / "d"), "--test", "0.2"]) == 2

    assert "has a test split of its own, which is kept: leave out --test" in capsys.readouterr().err


def test_a_seed_that_cannot_be_used_is_refused_before_the_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["prepare", "photos", "--output", str(tmp_path / "data"), "--seed", "-1"])

    assert "argument --seed: -1 is not within 0 to" in capsys.readouterr().err


def test_what_is_said_of_fashion_mnist_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def few(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
        count = {"train": 120, "test": 10}[split]
        random = np.random.default_rng(count)
        return random.integers(0, 256, (count, 28, 28), np.uint8), np.full(count, 4, np.uint8)

    monkeypatch.setattr(fashion_mnist, "read", few)
    (tmp_path / "four").mkdir()
    (tmp_path / "four/train-images-idx3-ubyte").touch()

    usual = prepare(str(tmp_path / "four"), tmp_path / "usual")
    told = prepare(
        str(tmp_path / "four"), tmp_path / "told", shares={"valid": 0.3}, name="Mine", licence="X"
    )

    assert (usual.name, usual.licence, usual.url) == ("Fashion-MNIST", "MIT", fashion_mnist.URL)
    assert usual.counts["valid"] == {"Coat": 10}
    assert (told.name, told.licence, told.url) == ("Mine", "X", fashion_mnist.URL)
    assert told.counts["valid"] == {"Coat": 36}


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
    # The released figures stand on these 5,000.
    valid = "\n".join(sorted(names(tmp_path / "data/valid.zip")))
    assert hashlib.sha256(valid.encode()).hexdigest() == (
        "8f404b673cab0b483223c60aafeb1755c8ed119f5ac71c51621ebac346ff141e"
    )
    assert (summary.name, summary.licence) == ("Fashion-MNIST", "MIT")
    images, labels = fashion_mnist.read(DEBIAN, "test")
    packed = open_images(tmp_path / "data/test.zip")
    file = next(file for file in packed.files if file.name.endswith("test-00000.png"))
    assert file.folder == "Ankle boot"
    assert labels[0] == 9
    assert np.array_equal(_pixels(packed.read(file)), images[0])


def _pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)))
