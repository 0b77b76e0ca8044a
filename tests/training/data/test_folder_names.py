"""Folders that a source has besides those of the classes."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import png, striped
from training.data.datasets import class_ids, open_images
from training.errors import DataError
from training.prepare import prepare


@pytest.mark.parametrize(
    "hidden",
    ["Coat/.ipynb_checkpoints/1.png", "train/.git/Coat/1.png", "Coat/._1.png", ".trash/Coat/1.png"],
)
def test_what_is_hidden_is_passed_over_wherever_it_lies(
    make_tree: Callable[..., Path], tmp_path: Path, hidden: str
) -> None:
    source = make_tree("photos", {"Coat": 20})
    (source / hidden).parent.mkdir(parents=True, exist_ok=True)
    (source / hidden).write_bytes(png(striped(4, 50)))

    counts = prepare(str(source), tmp_path / "data").counts

    assert sum(count for split in counts.values() for count in split.values()) == 20


def test_what_macos_adds_is_passed_over_wherever_it_lies(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("photos/Coat/1.png", "photos/__MACOSX/Coat/1.png"):
            archive.writestr(name, png(striped(4, 1)))

    assert [file.name for file in open_images(tmp_path / "photos.zip").files] == [
        "photos/Coat/1.png"
    ]


@pytest.mark.parametrize(
    ("folders", "advice"),
    [
        (["Scarf"], "Rename the folder, or move its images to other"),
        (["Coat/2023", "Coat/2024/May"], "Move its images up into Coat"),
        (["train/coat/b", "Bag/c"], "Move its images up into Bag or coat"),
        (
            ["Coat/2023", "2023"],
            "Move its images up into Coat; elsewhere, rename the folder, or move its images to "
            "other",
        ),
    ],
)
def test_what_to_do_about_a_folder_that_is_no_class(
    tmp_path: Path, folders: list[str], advice: str
) -> None:
    for folder in ["Coat", *folders]:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "1.png").touch()

    with pytest.raises(DataError) as caught:
        class_ids(open_images(tmp_path))
    assert str(caught.value).endswith(f", Ankle boot, other. {advice}")
