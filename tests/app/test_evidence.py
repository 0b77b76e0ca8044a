"""The heat of an explanation is where the evidence is, and for the class that was asked about."""

from pathlib import Path

import numpy as np
import pytest

from app.artifact import Artifact, open_artifact
from app.card import CATEGORIES
from app.engines.openvino import OpenVINOEngine
from app.engines.torchscript import TorchScriptEngine
from app.images import decode
from app.settings import BUNDLED_MODEL
from tests.app.conftest import photo
from tests.app.spot_model import save_spot_model, spotted
from tests.training.grey_model import save_grey_model


@pytest.fixture(scope="module")
def spots(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save_spot_model(tmp_path_factory.mktemp("spots") / "model.pt")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_heat_is_where_the_evidence_for_the_class_is(spots: Artifact, precision) -> None:
    engine = TorchScriptEngine(spots, precision, 1)
    image = spotted(red=(40, 88), blue=(80, 40))
    for class_id, cell in ((0, (5, 11)), (1, (10, 5))):
        explanation = engine.explain(image, class_id)
        heat = explanation.heat
        assert (explanation.seen == image).all()
        assert (heat.shape, heat.dtype) == ((15, 15), np.float32)
        assert heat.max() == pytest.approx(1)
        assert np.unravel_index(heat.argmax(), heat.shape) == cell
        rows, columns = np.indices(heat.shape)
        centre = (heat * rows).sum() / heat.sum(), (heat * columns).sum() / heat.sum()
        assert centre == pytest.approx(cell, abs=0.3)
    assert engine.explain(image, 2).heat.max() == 0  # nothing speaks for it


@pytest.mark.parametrize("corner", [(8, 8), (8, 104), (104, 8), (104, 104)])
def test_the_heat_of_a_corner_is_there_and_fades_away_from_it(spots: Artifact, corner) -> None:
    image = spotted(red=corner, blue=(56, 56))
    heat = TorchScriptEngine(spots, "float32", 1).explain(image, 0).heat
    row, column = (edge // 8 for edge in corner)
    assert np.unravel_index(heat.argmax(), heat.shape) == (row, column)
    inwards = 1 if column < 7 else -1
    assert (np.diff(heat[row, column::inwards]) <= 0).all()
    inwards = 1 if row < 7 else -1
    assert (np.diff(heat[row::inwards, column]) <= 0).all()


def test_the_heat_of_a_tall_photo_is_where_it_was_put(spots: Artifact) -> None:
    image = np.zeros((224, 112, 3), np.uint8)
    image[100:112, 50:62, 0] = 255
    heat = TorchScriptEngine(spots, "float32", 1).explain(image, 0).heat
    # Halved and put in the middle: row 106 / 2, column 28 + 56 / 2.
    assert np.unravel_index(heat.argmax(), heat.shape) == (53 // 8 + 1, 56 // 8)


def test_a_network_without_a_map_says_so(tmp_path: Path) -> None:
    artifact = open_artifact(save_grey_model(tmp_path / "model.pt"))
    explanation = TorchScriptEngine(artifact, "float32", 1).explain(np.asarray(photo()), 3)
    assert explanation.heat.shape == (15, 15)
    assert not explanation.heat.any()


@pytest.mark.parametrize("kind", [TorchScriptEngine, OpenVINOEngine])
@pytest.mark.slow
def test_the_heat_of_real_images_is_not_drawn_to_the_edges_of_views(kind) -> None:
    """Cells at the edge of a map light up from the zeros that convolutions pad with."""
    bundled = open_artifact(BUNDLED_MODEL)
    engine = kind(bundled, "float32", 1)
    for golden in bundled.golden[:8]:
        pixels = engine.prepare(decode(golden.png).image)
        heat = engine.explain(pixels, CATEGORIES.index(golden.label)).heat
        assert max(np.unravel_index(heat.argmax(), heat.shape)) < 13
