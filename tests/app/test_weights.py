"""An artifact's weights are read without torch, and nothing in the file is run."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from app.artifact import Artifact, ArtifactError
from app.weights import read_weights


def test_they_are_those_that_torch_reads(artifact: Artifact) -> None:
    module = torch.jit.load(artifact.path)
    theirs = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    ours = read_weights(artifact.path)
    assert ours.keys() == theirs.keys()
    assert len(ours) == 122
    for name, tensor in theirs.items():
        expected = tensor.detach().numpy()
        assert ours[name].dtype == expected.dtype
        assert np.array_equal(ours[name], expected)


def test_a_view_of_a_larger_tensor(tmp_path: Path) -> None:
    class Views(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("part", torch.arange(24.0).reshape(4, 6)[1:3, ::2])

        def forward(self) -> torch.Tensor:
            return self.part

    torch.jit.script(Views()).save(str(tmp_path / "model.pt"))
    assert read_weights(tmp_path / "model.pt")["part"].tolist() == [[6, 8, 10], [12, 14, 16]]


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, ("never",)


def packed(path: Path, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", data)
    return path


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pickle.dumps(Harm()), "has no place in an artifact"),
        (pickle.dumps({"weight": 1}), "no TorchScript module"),
        (pickle.dumps([1, 2, 3])[:-3], "cannot be read"),
        (b"", "cannot be read"),
    ],
    ids=["code", "no module", "cut off", "empty"],
)
def test_other_pickles_are_refused(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(ArtifactError, match=said):
        read_weights(packed(tmp_path / "model.pt", data))


def test_a_tensor_outside_of_its_storage_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    with zipfile.ZipFile(artifact.path) as whole, zipfile.ZipFile(tmp_path / "m.pt", "w") as cut:
        for name in whole.namelist():
            data = whole.read(name)
            cut.writestr(name, data[:2] if name.endswith("data/0") else data)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_weights(tmp_path / "m.pt")


@pytest.mark.parametrize("data", [b"", b"text"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.pt").write_bytes(data)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_weights(tmp_path / "model.pt")
