"""The OpenVINO engine: it answers as the artifact does, is cached, and gives way when it cannot."""

import asyncio
import dataclasses
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.artifact import GOLDEN_TOLERANCE, Artifact, load_module, open_artifact
from app.cpu import is_fast_at_bfloat16, is_fast_at_int8
from app.engines import Engine, EngineError, EnginePrecision, Pixels, Scores
from app.engines.loading import load_engine
from app.engines.openvino import OpenVINOEngine
from app.engines.proof import mismatches
from app.engines.torchscript import TorchScriptEngine
from app.images import decode
from app.letterbox import backgrounds
from app.predictors import PredictorError
from app.predictors.local import LocalPredictor
from app.settings import BUNDLED_MODEL
from app.telemetry import Metrics
from tests.app.conftest import encode, photo, running, settings, write_artifact
from tests.cards import make_card
from tests.training.grey_model import save_grey_model
from training.garment_model import GarmentModel
from training.networks import build_network
from training.scripted import golden_images, layer_ranges, save_artifact

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


@pytest.fixture(scope="module")
def bundled() -> Artifact:
    return open_artifact(BUNDLED_MODEL)


@pytest.fixture
def real(bundled: Artifact) -> list[Image.Image]:
    """Photos and catalogue images that the bundled model was proven on, and the sample."""
    files = [golden.png for golden in bundled.golden]
    files += [path.read_bytes() for path in sorted(SAMPLES.glob("*.png"))]
    return [decode(file).image for file in files]


def run(engine: Engine, images: list[Image.Image]) -> list[Scores]:
    return engine.run([engine.prepare(image) for image in images])


def assert_same(ours: Engine, theirs: Engine, images: list[Image.Image]) -> None:
    for one, other in zip(run(ours, images), run(theirs, images), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=GOLDEN_TOLERANCE)
        assert np.argmax(one.probabilities) == np.argmax(other.probabilities)
        assert one.garment_probability == pytest.approx(other.garment_probability, abs=0.02)
        assert one.background == other.background


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_real_images_get_the_answers_of_torchscript(
    bundled: Artifact, real: list[Image.Image], precision: str
) -> None:
    if precision == "bfloat16" and not is_fast_at_bfloat16():
        pytest.skip("this processor has no instructions for bfloat16")
    if precision == "int8" and not is_fast_at_int8():
        pytest.skip("this processor has no instructions for int8")
    engine = OpenVINOEngine(bundled, precision, 1)
    assert (engine.name, engine.precision) == ("openvino", precision)
    assert mismatches(engine, bundled.golden) == []
    assert_same(engine, TorchScriptEngine(bundled, "float32", 1), real)


@pytest.mark.parametrize("engine", [TorchScriptEngine, OpenVINOEngine])
def test_no_answer_is_certain(tmp_path: Path, engine: type[Engine]) -> None:
    """So that a least confidence of 1, of a model without enough to fit one, asks for review."""
    sure = write_artifact(tmp_path / "model.pt", temperature=1e-6)
    (scores,) = run(engine(sure, "float32", 1), [photo()])
    assert 0.999 < max(scores.probabilities) < 1


def test_the_input_is_what_the_artifact_makes_of_it(artifact: Artifact) -> None:
    """A level of 255 more or less where Pillow and torch round otherwise."""
    random = np.random.default_rng(5)
    ours = OpenVINOEngine(artifact, "float32", 1)
    module = load_module(artifact.path, "float32")
    for _ in range(40):
        edges = random.integers(1, 400, 2)
        image = random.integers(0, 256, (*edges, 3), dtype=np.uint8)
        image[:, : edges[1] // 2] = random.integers(0, 256, 3)
        theirs = module.preprocess([torch.from_numpy(image.transpose(2, 0, 1).copy())])
        seen = module.seen(theirs)[0].permute(1, 2, 0).numpy()
        given = ours.prepare(Image.fromarray(image))
        assert np.abs(given.astype(int) - seen).max() <= 1
        assert backgrounds(given[None]) == module.backgrounds(theirs).numpy()


@pytest.mark.parametrize("level", [0, 15, 16, 17, 100, 239, 240, 255])
@pytest.mark.parametrize("share", [0.49, 0.5, 0.51])
def test_the_background_is_the_median_of_the_border(artifact: Artifact, level, share) -> None:
    square = np.full((112, 112, 3), 120, np.uint8)
    border = np.zeros((112, 112), bool)
    border[0] = border[-1] = border[:, 0] = border[:, -1] = True
    places = np.argwhere(border)
    for row, column in places[: int(len(places) * share)]:
        square[row, column] = level
    module = load_module(artifact.path, "float32")
    batch = module.preprocess([torch.from_numpy(square.transpose(2, 0, 1).copy())])
    assert backgrounds(square[None]) == module.backgrounds(batch).numpy()


def test_sizes_and_batches_of_all_kinds(artifact: Artifact) -> None:
    # At a temperature of 0.05 this untrained model turns a level of 255 into another answer.
    calm = write_artifact(artifact.path.with_name("calm-sizes.pt"), temperature=1)
    random = np.random.default_rng(5)
    ours = OpenVINOEngine(calm, "float32", 2)
    theirs = TorchScriptEngine(calm, "float32", 2)
    for count in (1, 2, 7, 1, 16, 3):
        edges = random.integers(1, 400, (count, 2))
        images = [random.integers(0, 256, (*edge, 3), dtype=np.uint8) for edge in edges]
        assert_same(ours, theirs, [Image.fromarray(image) for image in images])


@pytest.mark.parametrize("kind", [OpenVINOEngine, TorchScriptEngine])
def test_answers_of_several_threads_do_not_mix(
    artifact: Artifact, kind: type[OpenVINOEngine | TorchScriptEngine]
) -> None:
    """What OpenVINO gives back lies in memory that it uses again."""
    engine = kind(artifact, "float32", 2, parallel=2)
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (112, 112, 3), dtype=np.uint8) for _ in range(4)]
    alone = [engine.run([image])[0] for image in images]
    assert len({scores.probabilities for scores in alone}) == 4
    with ThreadPoolExecutor(2) as pool:
        for scores, number in pool.map(lambda i: (engine.run([images[i % 4]])[0], i), range(60)):
            known = alone[number % 4].probabilities
            assert scores.probabilities == pytest.approx(known, abs=1e-4)


def test_explanations_of_several_threads_do_not_mix(artifact: Artifact) -> None:
    engine = OpenVINOEngine(artifact, "float32", 2, parallel=2)
    random = np.random.default_rng(2)
    images = [random.integers(0, 256, (112, 112, 3), dtype=np.uint8) for _ in range(4)]
    alone = [engine.explain(image, 3).heat for image in images]
    with ThreadPoolExecutor(2) as pool:
        heats = pool.map(lambda i: engine.explain(images[i % 4], 3).heat, range(8))
        for number, heat in enumerate(heats):
            assert heat == pytest.approx(alone[number % 4], abs=1e-3)


def test_explanations_are_those_of_the_artifact(artifact: Artifact) -> None:
    ours = OpenVINOEngine(artifact, "float32", 1)
    theirs = TorchScriptEngine(artifact, "float32", 1)
    for class_id in (0, 3, 9):
        one, other = (
            engine.explain(engine.prepare(photo()), class_id) for engine in (ours, theirs)
        )
        assert one.heat == pytest.approx(other.heat, abs=0.02)
        assert one.heat.dtype == np.float32
        assert np.abs(one.seen.astype(int) - other.seen).max() <= 1


def test_int8_is_computed_in_and_near(artifact: Artifact, tmp_path: Path) -> None:
    """Not the same as float32, so it was used; and near."""
    calm = write_artifact(tmp_path / "calm.pt", temperature=1)
    whole, eight = (OpenVINOEngine(calm, each, 1) for each in ("float32", "int8"))
    [one], [other] = run(whole, [photo()]), run(eight, [photo()])
    assert one.probabilities != other.probabilities
    assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)


@pytest.mark.parametrize("precision", ["int8", None])
def test_a_precision_that_cannot_be_built_is_not_taken(
    artifact: Artifact,
    precision: EnginePrecision | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("app.engines.loading.is_fast_at_int8", lambda: True)
    assert artifact.ranges is not None
    other = artifact.model_copy(update={"ranges": artifact.ranges[1:]})
    engine = load_engine(other, precision, 1, 1, "openvino")
    assert engine.precision == ("bfloat16" if is_fast_at_bfloat16() else "float32")
    assert "is used, because OpenVINO cannot run it in int8: KeyError: 'conv1'" in caplog.text


def test_why_neither_engine_can_is_told(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninstall(monkeypatch)
    with pytest.raises(EngineError, match=r"does not compute in int8.*pip install openvino"):
        load_engine(artifact, "int8", 1, 1, "auto")


def test_an_artifact_without_ranges_cannot_be_run_in_int8(artifact: Artifact) -> None:
    old = artifact.model_copy(update={"ranges": None})
    with pytest.raises(EngineError, match="export it again"):
        load_engine(old, "int8", 1, 1, "openvino")
    assert load_engine(old, None, 1, 1, "openvino").precision != "int8"


def test_torch_is_not_needed(artifact: Artifact) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path;"
        "from app.artifact import open_artifact; from app.engines.loading import load_engine;"
        f"artifact = open_artifact(Path({str(artifact.path)!r}));"
        "print(load_engine(artifact, None, 1, 2, 'auto').name)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "openvino\n"


def test_a_signal_is_handled_after_another_thread_let_the_engine_go(artifact: Artifact) -> None:
    code = f"""
import os, signal
from pathlib import Path
from threading import Thread
from app.artifact import open_artifact
from app.engines.openvino import OpenVINOEngine

engines = [OpenVINOEngine(open_artifact(Path({str(artifact.path)!r})), "float32", 1)]
thread = Thread(target=engines.clear)
thread.start()
thread.join()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "handled\n"


def write_vgg16(path: Path) -> Artifact:
    """An untrained one."""
    torch.manual_seed(0)
    model = GarmentModel(build_network("vgg16", 11), True).eval()
    images = [torch.randint(0, 256, (3, 60, 90), dtype=torch.uint8)]
    card = make_card(0.2, architecture="vgg16")
    ranges = layer_ranges(model.network, model.seen(model.preprocess(images)))
    save_artifact(model, card, golden_images(model, images), path, ranges)
    return open_artifact(path)


@pytest.mark.slow
def test_vgg16_gets_the_answers_of_torchscript(tmp_path: Path) -> None:
    artifact = write_vgg16(tmp_path / "model.pt")
    theirs = TorchScriptEngine(artifact, "float32", 1)
    for precision in ("float32", "int8"):
        engine = OpenVINOEngine(artifact, precision, 1)
        assert_same(engine, theirs, [photo(), photo(30, 80)])
        assert not engine.explain(engine.prepare(photo()), 3).heat.any()


def test_threads_are_those_of_this_start(artifact: Artifact) -> None:
    for threads in (2, 1):
        engine = OpenVINOEngine(artifact, "float32", threads)
        assert engine._network.get_property("INFERENCE_NUM_THREADS") == threads


def test_auto_takes_openvino(artifact: Artifact, tmp_path: Path) -> None:
    assert load_engine(artifact, "float32", 1, 2, "auto").name == "openvino"


def test_auto_without_the_package_is_torchscript_and_says_nothing(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    uninstall(monkeypatch)
    assert load_engine(artifact, "float32", 1, 1, "auto").name == "torchscript"
    assert caplog.records == []


async def refused(artifact: Artifact) -> str:
    values = settings(model=str(artifact.path), engine="openvino")
    with pytest.raises(PredictorError) as caught:
        await LocalPredictor.load(values, Metrics())
    return str(caught.value)


def test_openvino_without_the_package_is_refused_in_one_line(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninstall(monkeypatch)
    said = asyncio.run(refused(artifact))
    assert "pip install openvino" in said
    assert "\n" not in said


def test_a_package_that_is_broken_is_not_taken_for_a_missing_one(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "app.engines.openvino")
    monkeypatch.setitem(sys.modules, "app.engines.networks", None)
    assert load_engine(artifact, "float32", 1, 1, "auto").name == "torchscript"
    [record] = caplog.records
    assert "the package openvino cannot be imported" in record.message


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for module in ("app.engines.openvino", "app.engines.networks"):
        monkeypatch.delitem(sys.modules, module)


def break_answers(monkeypatch: pytest.MonkeyPatch, *precisions: str) -> None:
    """The categories are given in reverse."""
    right = OpenVINOEngine.run

    def wrong(self: OpenVINOEngine, images: list[Pixels], alone: bool = False) -> list[Scores]:
        scores = right(self, images, alone)
        if self.precision not in precisions:
            return scores
        return [dataclasses.replace(one, probabilities=one.probabilities[::-1]) for one in scores]

    monkeypatch.setattr(OpenVINOEngine, "run", wrong)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_auto_with_wrong_golden_answers_is_torchscript(
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    precision: str,
) -> None:
    break_answers(monkeypatch, "float32", "bfloat16")
    calm = write_artifact(artifact.path.with_name(f"calm-{precision}.pt"), temperature=1)
    engine = load_engine(calm, precision, 1, 1, "auto")
    assert (engine.name, engine.precision) == ("torchscript", precision)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "TorchScript is used instead of OpenVINO" in record.message
    assert "golden image 0 is" in record.message


def test_openvino_with_wrong_golden_answers_is_refused(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_answers(monkeypatch, "float32", "bfloat16")
    with pytest.raises(EngineError, match="golden images wrong"):
        load_engine(artifact, "float32", 1, 1, "openvino")


def test_another_network_than_the_card_says_runs_in_torchscript(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = open_artifact(save_grey_model(tmp_path / "model.pt"))
    assert load_engine(artifact, "float32", 1, 1, "auto").name == "torchscript"
    [record] = caplog.records
    assert "OpenVINO cannot run it in float32: KeyError: 'conv1.weight'" in record.message
    with pytest.raises(EngineError, match="OpenVINO cannot run it in float32"):
        load_engine(artifact, "float32", 1, 1, "openvino")


def test_where_bfloat16_answers_wrong_float32_is_used(
    artifact: Artifact,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not is_fast_at_bfloat16():
        pytest.skip("this processor has no instructions for bfloat16")
    break_answers(monkeypatch, "bfloat16")
    engine = load_engine(artifact, "bfloat16", 1, 1, "auto")
    assert (engine.name, engine.precision) == ("openvino", "float32")
    assert "float32 is used, because OpenVINO in bfloat16 answers" in caplog.text


def test_the_service_says_which_engine_runs(artifact: Artifact, tmp_path: Path) -> None:
    values = settings(model=str(artifact.path), cache=tmp_path, engine="openvino")
    with running(values) as server:
        files = {"file": encode(photo(), "PNG")}
        assert server.client.post("/predict", files=files).status_code == 200
        assert server.client.get("/model").json()["engine"] == "openvino"
        assert 'engine="openvino"' in server.client.get("/metrics").text
