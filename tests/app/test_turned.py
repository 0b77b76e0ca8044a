"""Photos that lie on a side or on their head are answered as if they were upright."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.artifact import GOLDEN_TOLERANCE, Artifact, open_artifact
from app.card import CATEGORIES
from app.cpu import is_fast_at_int8
from app.engines import Engine, Pixels, Scores
from app.engines.openvino import OpenVINOEngine
from app.engines.torchscript import TorchScriptEngine
from app.predictors.judging import run_upright
from app.settings import BUNDLED_MODEL
from app.upright import RARITY, is_better, turns_upright
from tests.app.conftest import encode, running, settings
from tests.turning_model import save_turning_model, shaded

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "ankle-boot.png"
ENGINES = [(TorchScriptEngine, "float32"), (OpenVINOEngine, "float32"), (OpenVINOEngine, "int8")]


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save_turning_model(tmp_path_factory.mktemp("turning") / "model.pt")


def photo(seed: int = 7, quarter_turns: int = 0) -> Image.Image:
    """An upright one, lying so that it would have to be turned clockwise by as much."""
    upright = shaded(1, seed)[0].permute(1, 2, 0).numpy()
    return Image.fromarray(np.rot90(upright, quarter_turns))


@pytest.mark.parametrize(("kind", "precision"), ENGINES)
def test_each_engine_tells_which_way_up(turning: Artifact, kind: Any, precision: str) -> None:
    if precision == "int8" and not is_fast_at_int8():
        pytest.skip("this processor has no instructions for int8")
    engine: Engine = kind(turning, precision, 1)
    ways = [0, 1, 2, 3, 2, 0]
    images = [engine.prepare(photo(place, way)) for place, way in enumerate(ways)]
    assert [turns_upright(each.ways or ()) for each in engine.run(images)] == ways
    upright = engine.run([engine.prepare(photo(place)) for place in range(len(ways))])
    for found, known in zip(run_upright(engine, images), upright, strict=True):
        assert found.probabilities == pytest.approx(known.probabilities, abs=GOLDEN_TOLERANCE)
    assert [each.quarter_turns for each in run_upright(engine, images)] == ways


class Told:
    """An engine that is told the logits of the ways up of its images, for each run.

    Image n has n at one end and n + 5 at the other; its class is what is at the first.
    """

    def __init__(self, *ways: Sequence[tuple[float, ...] | None]) -> None:
        self._ways = ways
        self.runs: list[tuple[int, bool]] = []

    def run(self, images: list[Pixels], alone: bool = False) -> list[Scores]:
        ways = self._ways[len(self.runs)]
        self.runs.append((len(images), alone))
        first = [int(image.flat[0]) for image in images]
        return [
            Scores(tuple(float(place == end) for place in range(10)), 1.0, "white", ways[end % 5])
            for end in first
        ]


def two_ended(number: int) -> Pixels:
    return np.array([[[number] * 3, [number + 5] * 3]], np.uint8)


UP, ON_HEAD = (9.0, 0.0, 0.0, 0.0), (0.0, 0.0, 9.0, 0.0)


def test_only_what_lies_is_run_again_and_only_what_then_stands_is_taken() -> None:
    engine: Any = Told([UP, ON_HEAD, ON_HEAD, UP], [UP, UP, ON_HEAD, UP])
    found = run_upright(engine, [two_ended(number) for number in range(4)], alone=True)
    assert engine.runs == [(4, True), (2, True)]
    assert [each.quarter_turns for each in found] == [0, 2, 0, 0]
    assert [each.probabilities.index(1.0) for each in found] == [0, 6, 2, 3]


@pytest.mark.parametrize("ways", [UP, None])
def test_upright_images_are_run_once(ways: tuple[float, ...] | None) -> None:
    engine: Any = Told([ways, ways])
    assert len(run_upright(engine, [two_ended(0), two_ended(1)])) == 2
    assert engine.runs == [(2, False)]


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize(("odds", "better"), [(RARITY * 1.01, True), (RARITY * 0.99, False)])
def test_both_looks_together_must_be_sure_enough(turns: int, odds: float, better: bool) -> None:
    each = math.log(odds) / 2
    before, after = [0.0] * 4, [0.0] * 4
    before[turns], after[0] = each, each
    for far in (1, 2, 3):
        if far != -turns % 4:
            after[far] = -99.0  # what it was not is no evidence
    assert is_better(turns, before, after) is better
    after[(turns + 1) % 4 or 1] = 2 * each
    assert not is_better(turns, before, after)


@pytest.mark.parametrize("engine", ["torchscript", "openvino"])
@pytest.mark.slow
def test_over_http_it_is_answered_and_explained_upright(turning: Artifact, engine: str) -> None:
    with running(settings(model=str(turning.path), engine=engine)) as server:

        def answered(quarter_turns: int) -> dict[str, Any]:
            data = encode(photo(9, quarter_turns), "PNG")
            response = server.client.post("/predict?explain=true", content=data)
            assert response.status_code == 200
            answer: dict[str, Any] = response.json()
            return answer

        upright = answered(0)
        assert upright["rotation"] == 0
        for quarters in (1, 2, 3):
            turned = answered(quarters)
            assert turned["rotation"] == 90 * quarters
            assert turned["label"] == upright["label"]
            assert turned["confidence"] == pytest.approx(upright["confidence"], abs=0.01)
            ours, theirs = (_input(answer).astype(int) for answer in (turned, upright))
            assert np.abs(ours - theirs).max() <= 1
            assert turned["explanation"]["label"] == upright["label"]
        files = [("files", ("a.png", encode(photo(9, way), "PNG"))) for way in (3, 0)]
        items = server.client.post("/predict/batch", files=files).json()["items"]
        assert [item["prediction"]["rotation"] for item in items] == [270, 0]


def test_a_model_that_cannot_tell_turns_nothing(client: Any) -> None:
    for quarters in range(4):
        answer = client.post("/predict", content=encode(photo(1, quarters), "PNG")).json()
        assert answer["rotation"] == 0
        assert answer["label"] in CATEGORIES


def _input(answer: dict[str, Any]) -> Pixels:
    content = answer["explanation"]["input"].partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


@pytest.mark.parametrize("quarters", range(4))
def test_the_bundled_model_knows_its_sample_any_way_up(quarters: int) -> None:
    engine = OpenVINOEngine(open_artifact(BUNDLED_MODEL), "float32", 1)
    sample = np.asarray(Image.open(SAMPLE).convert("RGB"))
    lying = Image.fromarray(np.rot90(sample, quarters))
    [scores] = run_upright(engine, [engine.prepare(lying)])
    assert scores.quarter_turns == quarters
    assert CATEGORIES[int(np.argmax(scores.probabilities))] == "Ankle boot"
