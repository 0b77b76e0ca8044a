from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from app.artifact import CATEGORIES
from tests.training.grey_model import add_grey_image, level_of, save_grey_model
from training.__main__ import main
from training.datasets import FOLDERS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images of each category, one of the twenty labelled wrongly: a bag among the shirts."""
    for folder in FOLDERS[:10]:
        add_grey_image(tmp_path / "data" / "test", folder, "a.png")
        add_grey_image(tmp_path / "data" / "test", folder, "b.png")
    bag = level_of(CATEGORIES.index("Bag"))
    add_grey_image(tmp_path / "data" / "test", "Shirt", "b.png", bag)
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_grey_model(tmp_path / "model.pt")


def evaluate(model: Path, data: Path, output: Path, *more: str) -> int:
    return main(["evaluate", str(model), "--data", str(data), "--output", str(output), *more])


def test_the_figures_are_those_of_the_answers(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(model, data, tmp_path / "out", "--batch-size", "7") == 0

    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert told["figures"]["images"] == 20
    assert told["figures"]["accuracy"] == 0.95
    assert told["figures"]["confusion_matrix"][6][8] == 1
    assert told["mistake_files"] == ["Shirt/b.png"]
    assert told["mistakes"][0]["answer"] == CATEGORIES.index("Bag")
    shirt = told["per_class"][6]
    assert (shirt["precision"], shirt["recall"], shirt["support"]) == (1.0, 0.5, 2)
    assert told["accuracy_interval"][0] < 0.95 < told["accuracy_interval"][1]
    assert told["model"]["name"] == "grey"
    printed = capsys.readouterr().out
    assert "accuracy 95.00 %" in printed
    assert re.search(r"Shirt +100\.0 % +50\.0 % +66\.7 % +2\n", printed)


def test_the_report_is_one_file_with_its_pictures(model: Path, data: Path, tmp_path: Path) -> None:
    evaluate(model, data, tmp_path / "out")
    page = (tmp_path / "out" / "evaluation.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"#]+)', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "Shirt taken for Bag" in page
    assert page.count("<img ") == page.count(' alt="') == 3
    for name in ("confusion_matrix", "reliability", "mistakes"):
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_a_required_accuracy_that_is_missed_fails(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(model, data, tmp_path / "out", "--require-accuracy", "0.95") == 0
    assert evaluate(model, data, tmp_path / "out", "--require-accuracy", "0.951") == 1
    assert capsys.readouterr().err == "accuracy 0.9500 is below the required 0.951\n"
    assert (tmp_path / "out" / "evaluation.json").exists()


@pytest.mark.parametrize("text", ["94.5", "-0.1", "nan", "high"])
def test_a_required_accuracy_is_a_share(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate(tmp_path, tmp_path, tmp_path, f"--require-accuracy={text}")
    assert stopped.value.code == 2
    assert "is not a share from 0 to 1" in capsys.readouterr().err


def test_images_of_other_things_are_counted_apart(data: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        add_grey_image(data / "test", "other", name)
    add_grey_image(data / "test", "other", "c.png", level_of(3))  # looks like a dress

    blind = save_grey_model(tmp_path / "blind.pt")
    assert evaluate(blind, data, tmp_path / "blind") == 0
    told = json.loads((tmp_path / "blind" / "evaluation.json").read_text())
    assert (told["figures"]["images"], told["figures"]["accuracy"]) == (20, 0.95)
    assert told["other"] == {"images": 3, "flagged": None, "garments_flagged": None}

    rejecting = save_grey_model(tmp_path / "rejecting.pt", rejects=True)
    assert evaluate(rejecting, data, tmp_path / "rejecting") == 0
    told = json.loads((tmp_path / "rejecting" / "evaluation.json").read_text())
    assert told["other"] == {"images": 3, "flagged": 2, "garments_flagged": 0}


def test_bfloat16_answers_too(model: Path, data: Path, tmp_path: Path) -> None:
    assert evaluate(model, data, tmp_path / "out", "--precision", "bfloat16") == 0
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (told["precision"], told["figures"]["accuracy"]) == ("bfloat16", 0.95)


def test_without_a_mistake_there_is_no_picture_of_any(
    model: Path, data: Path, tmp_path: Path
) -> None:
    evaluate(model, data, tmp_path / "out")
    add_grey_image(data / "test", "Shirt", "b.png")
    assert evaluate(model, data, tmp_path / "out", "--require-accuracy", "1") == 0
    assert not (tmp_path / "out" / "mistakes.png").exists()
    assert "every answer is right" in (tmp_path / "out" / "evaluation.html").read_text()


def test_what_cannot_be_measured_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_grey_image(tmp_path / "others" / "test", "other", "a.png")
    assert evaluate(model, tmp_path / "others", tmp_path / "out") == 2
    assert "no image of the ten categories" in capsys.readouterr().err
    assert evaluate(tmp_path / "none.pt", tmp_path / "others", tmp_path / "out") == 2
    assert "cannot be read as an artifact" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
