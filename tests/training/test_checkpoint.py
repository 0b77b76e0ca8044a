from pathlib import Path

import pytest
import torch

from training import checkpoint
from training.errors import CheckpointError


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {"hyperparameters": {"seed": 1}, "weights": torch.arange(3)}
    checkpoint.save(tmp_path / "run", state)

    for path in (tmp_path / "run", tmp_path / "run" / checkpoint.FILE):
        assert torch.equal(checkpoint.load(path)["weights"], torch.arange(3))


def test_a_failed_write_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, {"hyperparameters": {}, "step": 1})

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("torch.save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, {"hyperparameters": {}, "step": 2})

    assert checkpoint.load(tmp_path)["step"] == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no checkpoint there"), (b"rubbish", "cannot be read"), (b"", "cannot be read")],
)
def test_what_is_no_checkpoint_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / checkpoint.FILE).write_bytes(content)

    with pytest.raises(CheckpointError, match=problem):
        checkpoint.load(tmp_path)


def test_another_runs_checkpoint_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match=r"seed was 1 and is 2\. Give the same flags"):
        checkpoint.check_same_run(Path("x"), {"seed": 1, "epochs": 3}, {"seed": 2, "epochs": 3})
