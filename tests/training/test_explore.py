from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.data.datasets import FOLDERS
from training.data.exploration import Exploration, SplitFacts, Spread
from training.data.near_duplicates import near_duplicates
from training.findings import findings


def blotches(seed: int, size: int = 56) -> Image.Image:
    """A grey image unlike those of other seeds."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 200, (7, 7), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


def write(image: Image.Image, path: Path, quality: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **({"quality": quality} if path.suffix == ".jpg" else {}))


def write_photos(root: Path) -> Path:
    """Balanced: four images of each class to train on, one to test on."""
    for label, folder in enumerate(FOLDERS[:10]):
        for index in range(4):
            write(blotches(label * 10 + index), root / "train" / folder / f"{index}.png")
        write(blotches(label * 10 + 9), root / "test" / folder / "9.png")
    return root


@pytest.fixture
def data(tmp_path: Path, blank_pictures: None) -> Path:
    return write_photos(tmp_path / "photos")


def explore(data: Path, output: Path, *more: str) -> dict:
    assert main(["explore", str(data), "--output", str(output), *more]) == 0
    return json.loads((output / "explore.json").read_text())


def test_clean_data_raises_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = explore(write_photos(tmp_path / "photos"), tmp_path / "out")
    assert told["splits"]["train"]["counts"] == dict.fromkeys(FOLDERS[:10], 4)
    assert told["splits"]["test"]["looked_at"] == 10
    assert told["splits"]["train"]["formats"] == {"PNG": 40}
    assert told["splits"]["train"]["width"] == {"low": 56, "median": 56, "high": 56}
    assert told["duplicates"] == []
    assert (
        "No pairs across splits or of two classes within one."
        in (tmp_path / "out" / "explore.html").read_text()
    )
    printed = capsys.readouterr().out
    assert "good: The classes are balanced: 4 images to train on each." in printed
    assert "note: All images are grey." in printed
    assert "warning" not in printed
    page = (tmp_path / "out" / "explore.html").read_text()
    drawings = re.findall(r'"data:image/png;base64,([^"]+)"', page)
    assert len(drawings) == page.count("<img ") == 4
    for drawing in drawings:
        with Image.open(io.BytesIO(base64.b64decode(drawing))) as picture:
            assert min(picture.size) > 200
    assert 'src="http' not in page


def test_imbalance_is_told_with_what_training_does(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(4, 7):
        write(blotches(500 + index), data / "train" / "Bag" / f"{index}.png")
    explore(data, tmp_path / "out")
    printed = capsys.readouterr().out
    assert "Bag has 1.8 times as many images to train on as" in printed
    assert "--balance auto" in printed


def test_a_copy_in_another_split_is_found(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Image.open(data / "train" / "Coat" / "2.png").point(lambda level: level * 0.8 + 30)
    write(copy.resize((90, 90)), data / "test" / "Shirt" / "copy.jpg", quality=70)
    told = explore(data, tmp_path / "out")
    assert len(told["duplicates"]) == 1
    pair = told["duplicates"][0]
    assert (pair["first_split"], pair["first_file"]) == ("test", "Shirt/copy.jpg")
    assert (pair["second_split"], pair["second_file"]) == ("train", "Coat/2.png")
    printed = capsys.readouterr().out
    assert "1 image of test (9.09 %) have a near-duplicate in train" not in printed
    assert "1 image of test (9.09 %) has a near-duplicate in train" in printed
    assert "1 pair of near-duplicates carries two different classes" in printed
    assert "test/Shirt/copy.jpg" in (tmp_path / "out" / "explore.html").read_text()


def test_a_copy_in_another_class_of_its_split_is_found(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = data / "train"
    write(Image.open(train / "Coat" / "2.png"), train / "Shirt" / "copy.jpg", quality=70)
    write(Image.open(train / "Bag" / "1.png"), train / "Bag" / "copy.png")  # one label
    told = explore(data, tmp_path / "out")
    assert len(told["duplicates"]) == 1
    pair = told["duplicates"][0]
    assert (pair["first_split"], pair["first_file"]) == ("train", "Coat/2.png")
    assert (pair["second_split"], pair["second_file"]) == ("train", "Shirt/copy.jpg")
    printed = capsys.readouterr().out
    assert "good: No image of one split is a near-duplicate of one in another." in printed
    assert "warning: 1 pair of near-duplicates carries two different classes." in printed
    page = (tmp_path / "out" / "explore.html").read_text()
    assert "train/Shirt/copy.jpg" in page
    assert "No pairs" not in page
    shutil.rmtree(data / "test")
    assert explore(data, tmp_path / "out")["duplicates"] == [pair]
    assert "1 pair of near-duplicates carries two different classes." in capsys.readouterr().out


def test_what_copies_can_gain_is_a_share_of_the_garments(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(30):
        write(blotches(600 + index), data / "test" / "other" / f"{index}.png")
    write(blotches(600), data / "train" / "other" / "copy.png")
    explore(data, tmp_path / "out")
    printed = capsys.readouterr().out
    assert "note: 1 image of test (2.50 %) has a near-duplicate in train." in printed
    assert "at most 0.00 points of accuracy on test (0 of its 10 garments)." in printed
    write(Image.open(data / "test" / "Coat" / "9.png"), data / "train" / "Coat" / "copy.png")
    explore(data, tmp_path / "out")
    printed = capsys.readouterr().out
    assert "warning: 2 images of test (5.00 %) have a near-duplicate in train." in printed
    assert "at most 10.00 points of accuracy on test (1 of its 10 garments)." in printed


def test_damaged_and_blank_images_are_told_and_do_not_stop_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "train" / "Bag" / "cut.png").write_bytes(
        (data / "train" / "Bag" / "0.png").read_bytes()[:200]
    )
    write(Image.new("RGB", (30, 20), "red"), data / "train" / "Dress" / "blank.png")
    told = explore(data, tmp_path / "out")["splits"]["train"]
    assert len(told["damaged"]) == 1
    assert told["damaged"][0].startswith("Bag/cut.png: ")
    assert told["blank"] == ["Dress/blank.png"]
    assert told["looked_at"] == 41
    assert told["grey"] == 40
    assert told["aspect"]["high"] == 1.5
    printed = capsys.readouterr().out
    assert "1 image cannot be read: train/Bag/cut.png" in printed
    assert "1 image is blank: train/Dress/blank.png" in printed


def test_a_sample_counts_all_and_looks_at_some(data: Path, tmp_path: Path) -> None:
    told = explore(data, tmp_path / "out", "--sample", "12")["splits"]["train"]
    assert sum(told["counts"].values()) == 40
    assert told["looked_at"] == 12


def test_a_sample_does_not_make_little_of_copies(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (data / "train").rglob("*.png"):
        write(Image.open(file), data / "test" / file.parent.name / f"copy-{file.name}")
    explore(data, tmp_path / "out", "--sample", "25")
    told = next(line for line in capsys.readouterr().out.splitlines() if "near-dup" in line)
    assert re.match(r"warning: \d+ images of test have a near-duplicate in train among", told)
    assert "more are to be expected" in told
    assert "at most" not in told
    explore(data, tmp_path / "out", "--sample", "1")
    printed = capsys.readouterr().out
    assert "note: Among the sampled images, none is a near-duplicate" in printed
    assert "good: No image" not in printed


def test_copies_in_valid_and_test_are_not_said_to_be_trained_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (data / "test").rglob("*.png"):
        write(Image.open(file), data / "valid" / file.parent.name / file.name)
    explore(data, tmp_path / "out")
    printed = capsys.readouterr().out
    assert "10 images of test (100.00 %) have a near-duplicate in valid." in printed
    assert "What is fitted to valid may look better on test than it is." in printed
    assert "By having seen them" not in printed


def test_an_empty_file_is_told_and_does_not_stop_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "train" / "Bag" / "empty.jpg").write_bytes(b"")
    explore(data, tmp_path / "out")
    assert "1 image cannot be read: train/Bag/empty.jpg" in capsys.readouterr().out


def test_missing_classes_and_splits_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(blotches(1), tmp_path / "few" / "train" / "Bag" / "1.png")
    write(blotches(2), tmp_path / "few" / "train" / "other" / "2.png")
    write(blotches(3), tmp_path / "few" / "test" / "Bag" / "3.png")
    explore(tmp_path / "few", tmp_path / "out")
    printed = capsys.readouterr().out
    assert "No split has images of T-shirt-top, Trouser" in printed
    assert "The test split lacks other" in printed
    assert "eleventh output" in printed


def test_unlike_splits_are_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (data / "test").rglob("*.png"):
        write(Image.open(file).point(lambda level: level * 0.3), file)
    explore(data, tmp_path / "out")
    assert "The images of test are darker than those of train" in capsys.readouterr().out


def split_of(images: int, brightness: float) -> SplitFacts:
    """Facts of a split of so many images, which deviate by 40."""
    return SplitFacts(
        counts={"Bag": images}, looked_at=images, garments=images, damaged=[], blank=[],
        formats={}, grey=0, width=Spread(low=9, median=9, high=9),
        height=Spread(low=9, median=9, high=9), aspect=Spread(low=1, median=1, high=1),
        brightness_mean=brightness, brightness_deviation=40.0, channel_mean=[], channel_std=[],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("train", "test", "by", "told"),
    [
        (100, 25, 20, False),  # three standard errors: 26.8
        (100, 25, 28, True),
        (25, 25, 28, False),  # 33.9
        (10_000, 10_000, 9, False),  # 1.7, but under a quarter of the deviation
        (10_000, 10_000, -11, True),
        (100, 0, -90, False),
    ],
)
def test_splits_are_unlike_beyond_chance_only(train: int, test: int, by: int, told: bool) -> None:
    splits = {"train": split_of(train, 100), "test": split_of(test, 100 + by)}
    found = findings(Exploration(data="x", splits=splits, duplicates=[]))
    assert told == any("than those of train" in one.text for one in found)


def test_data_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", str(tmp_path / "none")]) == 2
    assert "is no folder. Prepare the data: python -m training prepare" in capsys.readouterr().err


def thumbnails(*images: Image.Image) -> np.ndarray:
    small = [np.array(image.convert("L").resize((28, 28))) for image in images]
    return np.array(small, np.uint8).reshape(-1, 28, 28)


def test_near_duplicates_are_found_in_their_place() -> None:
    saved = io.BytesIO()
    blotches(7).save(saved, "JPEG", quality=60)
    first = thumbnails(blotches(1), Image.open(saved))
    second = thumbnails(*(blotches(seed) for seed in (5, 6, 7, 8)))
    pairs = near_duplicates(first, second)
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 2)]
    assert pairs[0].similarity > 0.98


def test_a_duplicate_is_found_behind_others_of_the_same_shading() -> None:
    original = np.array(blotches(1, 28), np.float64)
    pattern = np.indices((28, 28)).sum(axis=0) % 2 * 40.0 - 20  # its mean is 0 in 2 x 2 pixels
    other = [original + pattern, original - pattern]
    saved = original + np.linspace(-5, 5, 28)  # the light falls from another side
    second = np.array([*other, saved]).clip(0, 255).astype(np.uint8)
    pairs = near_duplicates(original.astype(np.uint8)[None], second)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 2)]


def test_the_same_outline_is_no_duplicate() -> None:
    random = np.random.default_rng(0)
    outline = np.zeros((28, 28))
    outline[4:24, 8:20] = 180
    texture = [outline + (outline > 0) * random.normal(0, 12, (28, 28)) for _ in range(2)]
    first, second = (pixels.clip(0, 255).astype(np.uint8)[None] for pixels in texture)
    assert near_duplicates(first, second) == []
    assert len(near_duplicates(first, first)) == 1


def test_blank_images_are_no_duplicates_and_nothing_has_none() -> None:
    blank = thumbnails(Image.new("L", (28, 28), 90))
    assert near_duplicates(blank, blank) == []
    assert near_duplicates(thumbnails(), blank) == []
