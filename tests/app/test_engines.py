import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from app.artifact import Artifact
from app.engines import EngineError, Pixels
from app.engines.loading import inferences, load_engine
from app.engines.proof import mismatches
from app.engines.torchscript import TorchScriptEngine
from tests.app.conftest import make_model, write_artifact


@pytest.fixture
def images() -> list[Pixels]:
    random = np.random.default_rng(3)
    shapes = ((28, 28, 3), (300, 200, 3), (1, 50, 3))
    return [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def test_one_batch_is_what_the_eager_model_says(artifact: Artifact, images: list[Pixels]) -> None:
    engine = load_engine(artifact, "float32", threads=1, batch_size=2)
    assert (engine.name, engine.precision) == ("torchscript", "float32")
    with torch.inference_mode():
        model = make_model(0.05)
        rows, garment = model([torch.from_numpy(i).permute(2, 0, 1).contiguous() for i in images])
    for scores, row, known in zip(engine.run(images), rows, garment, strict=True):
        assert scores.probabilities == pytest.approx(row.tolist(), abs=1e-3)
        assert scores.garment_probability == pytest.approx(float(known), abs=1e-3)


def test_an_image_is_answered_alike_in_batches_of_any_size(tmp_path: Path) -> None:
    # Where operations are fused, each size is compiled at its second run.
    calm = write_artifact(tmp_path / "calm.pt", temperature=1, thin=True)
    engine = TorchScriptEngine(calm, "bfloat16", 1)
    random = np.random.default_rng(5)
    images = [random.integers(0, 256, (40, 30, 3), dtype=np.uint8) for _ in range(9)]
    alone = [engine.run([image])[0] for image in images]
    assert len({scores.probabilities for scores in alone}) == len(images)
    for _ in range(3):
        for count in range(1, len(images) + 1):
            answers = engine.run(images[:count])
            assert len(answers) == count
            for scores, known in zip(answers, alone, strict=False):
                assert scores.probabilities == pytest.approx(known.probabilities, abs=0.02)


def test_each_thread_takes_no_more_cores_than_its_share(
    artifact: Artifact, images: list[Pixels]
) -> None:
    engine = TorchScriptEngine(artifact, "float32", threads=4, parallel=2)

    def threads_after(work: Callable[[], object]) -> int:
        torch.set_num_threads(3)  # whatever the thread had before
        work()
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        assert one.submit(threads_after, lambda: engine.run(images)).result() == 2
        assert other.submit(threads_after, lambda: engine.explain(images[0], 1)).result() == 2


@pytest.mark.parametrize(
    ("threads", "at_a_time", "each"), [(1, 1, 1), (8, 8, 1), (9, 4, 2), (12, 6, 2), (40, 8, 5)]
)
def test_inferences_share_the_threads_and_leave_few_idle(
    threads: int, at_a_time: int, each: int
) -> None:
    assert inferences(threads) == at_a_time
    assert threads // at_a_time == each
    assert threads - at_a_time * each < each


def test_what_lies_around_the_garment(artifact: Artifact) -> None:
    scene = np.tile(np.arange(90, dtype=np.uint8)[:, None, None] * 2, (1, 60, 3))
    images = [np.full((40, 40, 3), level, np.uint8) for level in (255, 0)]
    images[0][10:30, 10:30] = 0  # only the border counts
    scores = TorchScriptEngine(artifact, "bfloat16", 1).run([*images, scene])
    assert [one.background for one in scores] == ["white", "black", "scene"]


def test_bfloat16_is_near_where_the_golden_images_say_so(artifact: Artifact) -> None:
    engine = TorchScriptEngine(artifact, "bfloat16", 1)
    calm = write_artifact(artifact.path.with_name("calm.pt"), temperature=1)
    assert mismatches(TorchScriptEngine(calm, "bfloat16", 1), calm.golden) == []
    assert engine.precision == "bfloat16"


def test_where_bfloat16_answers_wrong_float32_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between what float32 (2e-7) and bfloat16 (5e-4 to 2e-3) move a probability by here.
    sharp = write_artifact(tmp_path / "model.pt", temperature=0.1)
    monkeypatch.setattr("app.engines.proof.GOLDEN_TOLERANCE", 2e-4)
    with caplog.at_level(logging.WARNING):
        engine = load_engine(sharp, "bfloat16", threads=1, batch_size=1)
    assert engine.precision == "float32"
    assert "float32 is used, because TorchScript in bfloat16 answers" in caplog.text


def test_wrong_golden_answers_are_refused(tmp_path: Path) -> None:
    wrong = write_artifact(tmp_path / "model.pt", temperature=1, golden_of=0.05)
    with pytest.raises(EngineError, match="golden images wrong: golden image 0 is"):
        load_engine(wrong, None, threads=1, batch_size=1)


def test_a_file_that_torch_cannot_load(artifact: Artifact, tmp_path: Path) -> None:
    broken = tmp_path / "model.pt"
    broken.write_bytes(artifact.path.read_bytes()[:1000])
    with pytest.raises(EngineError, match="cannot be loaded"):
        TorchScriptEngine(artifact.model_copy(update={"path": broken}), "float32", 1)
