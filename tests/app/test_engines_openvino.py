"""The OpenVINO engine: it answers as the artifact does, is cached, and gives way when it cannot."""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.artifact import Artifact, open_artifact
from app.engines import GOLDEN_TOLERANCE, Engine, EngineError, Pixels, load_engine, mismatches
from app.engines import openvino as engine_module
from app.engines.compiled import write_compiled
from app.engines.openvino import OpenVINOEngine
from app.engines.torchscript import TorchScriptEngine, fast_precision
from app.images import decode
from app.predictors import PredictorError
from app.predictors.local import LocalPredictor
from app.settings import BUNDLED_MODEL
from app.telemetry import Metrics
from tests.app.conftest import encode, photo, running, settings, write_artifact

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


@pytest.fixture(scope="module")
def bundled() -> Artifact:
    return open_artifact(BUNDLED_MODEL)


@pytest.fixture
def real(bundled: Artifact) -> list[Pixels]:
    """Photos and catalogue images that the bundled model was proven on, and the sample."""
    files = [golden.png for golden in bundled.golden]
    files += [path.read_bytes() for path in sorted(SAMPLES.glob("*.png"))]
    return [np.asarray(decode(file).image) for file in files]


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The artifacts whose network OpenVINO converted."""
    seen: list[Path] = []
    convert = engine_module._convert

    def counted(path: Path) -> object:
        seen.append(path)
        return convert(path)

    monkeypatch.setattr(engine_module, "_convert", counted)
    return seen


def assert_same(ours: Engine, theirs: Engine, images: list[Pixels]) -> None:
    for one, other in zip(ours.run(images), theirs.run(images), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=GOLDEN_TOLERANCE)
        assert np.argmax(one.probabilities) == np.argmax(other.probabilities)
        assert one.garment_probability == pytest.approx(other.garment_probability, abs=0.02)
        assert one.background == other.background


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_real_images_get_the_answers_of_torchscript(
    bundled: Artifact, real: list[Pixels], precision: str
) -> None:
    if precision == "bfloat16" and fast_precision() == "float32":
        pytest.skip("this processor has no instructions for bfloat16")
    engine = OpenVINOEngine(bundled, precision, 1)
    assert (engine.name, engine.precision) == ("openvino", precision)
    assert mismatches(engine, bundled.golden) == []
    assert_same(engine, TorchScriptEngine(bundled, "float32", 1), real)


def test_sizes_and_batches_of_all_kinds(artifact: Artifact) -> None:
    random = np.random.default_rng(5)
    ours, theirs = OpenVINOEngine(artifact, "float32", 2), TorchScriptEngine(artifact, "float32", 2)
    for count in (1, 2, 7, 1, 16, 3):
        edges = random.integers(1, 400, (count, 2))
        images = [random.integers(0, 256, (*edge, 3), dtype=np.uint8) for edge in edges]
        assert_same(ours, theirs, images)


def test_answers_are_kept_when_the_next_batch_runs(artifact: Artifact) -> None:
    """What OpenVINO gives back lies in memory that it uses again."""
    engine = OpenVINOEngine(artifact, "float32", 1)
    first = engine._logits(engine._preprocess([np.zeros((30, 30, 3), np.uint8)]))
    before = first.clone()
    engine.run([np.full((30, 30, 3), 255, np.uint8)])
    assert bool((first == before).all())


def test_explanations_are_those_of_the_artifact(artifact: Artifact) -> None:
    image = np.asarray(photo())
    ours = OpenVINOEngine(artifact, "float32", 1).explain(image, 3)
    theirs = TorchScriptEngine(artifact, "float32", 1).explain(image, 3)
    assert ours.heat == pytest.approx(theirs.heat, abs=1e-3)
    assert (ours.seen == theirs.seen).all()


def test_second_start_compiles_nothing(
    artifact: Artifact, tmp_path: Path, conversions: list[Path]
) -> None:
    first = OpenVINOEngine(artifact, "float32", 1, tmp_path)
    [kept] = tmp_path.rglob("*.bin")
    assert kept.parent == tmp_path / artifact.sha256
    second = OpenVINOEngine(artifact, "float32", 1, tmp_path)
    assert conversions == [artifact.path]
    assert_same(second, first, [np.asarray(photo())])


def test_threads_are_those_of_this_start(artifact: Artifact, tmp_path: Path) -> None:
    for threads in (2, 1):
        engine = OpenVINOEngine(artifact, "float32", threads, tmp_path)
        assert engine._network.get_property("INFERENCE_NUM_THREADS") == threads


def test_another_artifact_or_precision_is_compiled_on_its_own(
    artifact: Artifact, tmp_path: Path, conversions: list[Path]
) -> None:
    other = write_artifact(tmp_path / "other.pt", temperature=1)
    OpenVINOEngine(artifact, "float32", 1, tmp_path)
    OpenVINOEngine(other, "float32", 1, tmp_path)
    OpenVINOEngine(artifact, "bfloat16", 1, tmp_path)
    assert conversions == [artifact.path, other.path, artifact.path]
    assert len(list(tmp_path.rglob("*.bin"))) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:],
        lambda data: b"",
    ],
    ids=["cut off", "one bit", "empty"],
)
def test_a_damaged_cache_is_made_anew(
    artifact: Artifact,
    tmp_path: Path,
    conversions: list[Path],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    OpenVINOEngine(artifact, "float32", 1, tmp_path)
    [kept] = tmp_path.rglob("*.bin")
    kept.write_bytes(damage(kept.read_bytes()))
    engine = OpenVINOEngine(artifact, "float32", 1, tmp_path)
    assert mismatches(engine, artifact.golden) == []
    assert "damaged" in caplog.text
    OpenVINOEngine(artifact, "float32", 1, tmp_path)
    assert len(conversions) == 2


def test_a_compiled_network_that_openvino_refuses_is_made_anew(
    artifact: Artifact, tmp_path: Path, conversions: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    OpenVINOEngine(artifact, "float32", 1, tmp_path)
    [kept] = tmp_path.rglob("*.bin")
    write_compiled(kept, b"whole, but of another kind")
    engine = OpenVINOEngine(artifact, "float32", 1, tmp_path)
    assert mismatches(engine, artifact.golden) == []
    assert len(conversions) == 2
    assert "made anew" in caplog.text


def test_a_cache_that_cannot_be_written_stops_nothing(
    artifact: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()  # not a folder: root may write to one without permission
    engine = OpenVINOEngine(artifact, "float32", 1, tmp_path / "file")
    assert mismatches(engine, artifact.golden) == []
    assert "is not cached" in caplog.text


def test_auto_takes_openvino(artifact: Artifact, tmp_path: Path) -> None:
    assert load_engine(artifact, "float32", 1, 2, "auto", tmp_path).name == "openvino"


def test_auto_without_the_package_is_torchscript_and_says_nothing(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    uninstall(monkeypatch)
    assert load_engine(artifact, "float32", 1, 1, "auto").name == "torchscript"
    assert caplog.records == []


async def refused(artifact: Artifact, cache: Path) -> str:
    values = settings(model=str(artifact.path), cache=cache, engine="openvino")
    with pytest.raises(PredictorError) as caught:
        await LocalPredictor.load(values, Metrics())
    return str(caught.value)


def test_openvino_without_the_package_is_refused_in_one_line(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninstall(monkeypatch)
    said = asyncio.run(refused(artifact, tmp_path))
    assert "pip install 'garment-classifier[openvino]'" in said
    assert "\n" not in said


def test_a_package_that_is_broken_is_not_taken_for_a_missing_one(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino.frontend", None)
    monkeypatch.delitem(sys.modules, "app.engines.openvino")
    assert load_engine(artifact, "float32", 1, 1, "auto").name == "torchscript"
    [record] = caplog.records
    assert "the package openvino cannot be imported" in record.message


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "app.engines.openvino")


def break_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = OpenVINOEngine._logits
    monkeypatch.setattr(OpenVINOEngine, "_logits", lambda self, batch: -logits(self, batch))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_auto_with_wrong_golden_answers_is_torchscript(
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    precision: str,
) -> None:
    break_logits(monkeypatch)
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
    break_logits(monkeypatch)
    with pytest.raises(EngineError, match="golden images wrong"):
        load_engine(artifact, "float32", 1, 1, "openvino")


def test_what_openvino_cannot_convert_runs_in_torchscript(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(path: Path) -> None:
        raise RuntimeError("no such operation\nframe #0")

    monkeypatch.setattr(engine_module, "_convert", fails)
    assert load_engine(artifact, "float32", 1, 1, "auto").name == "torchscript"
    [record] = caplog.records
    assert "OpenVINO cannot run it: no such operation" in record.message
    assert "\n" not in record.message
    with pytest.raises(EngineError, match="no such operation"):
        load_engine(artifact, "float32", 1, 1, "openvino")


def test_where_bfloat16_answers_wrong_float32_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fast_precision() == "float32":
        pytest.skip("this processor has no instructions for bfloat16")
    sharp = write_artifact(tmp_path / "model.pt", temperature=0.1)
    monkeypatch.setattr("app.engines.GOLDEN_TOLERANCE", 2e-4)
    engine = load_engine(sharp, "bfloat16", 1, 1, "auto")
    assert (engine.name, engine.precision) == ("openvino", "float32")
    assert "float32 is used, because in bfloat16 golden image" in caplog.text


def test_the_service_says_which_engine_runs(artifact: Artifact, tmp_path: Path) -> None:
    values = settings(model=str(artifact.path), cache=tmp_path, engine="openvino")
    with running(values) as server:
        files = {"file": encode(photo(), "PNG")}
        assert server.client.post("/predict", files=files).status_code == 200
        assert server.client.get("/model").json()["engine"] == "openvino"
        assert 'engine="openvino"' in server.client.get("/metrics").text
