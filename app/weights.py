"""Read an artifact's weights without torch, and without running anything that is in the file.

TorchScript's archive is a ZIP: `data.pkl` is a pickle of the module, its attributes and submodules
by name, and `data/0`, `data/1`, ... are the tensors' bytes. Only the few names that such a pickle
needs are known here; any other makes the file no artifact.

Source: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact import ArtifactError

_TYPES: dict[str, type[np.generic]] = {
    "HalfStorage": np.float16,
    "FloatStorage": np.float32,
    "LongStorage": np.int64,
}


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of an artifact by name, such as `network.conv1.weight`; they are read-only.

    Raises:
        ArtifactError: it is no TorchScript archive, or holds what none of ours does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            module = _Reader(archive).load()
    except (
        OSError,
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise ArtifactError(f"{path}: its weights cannot be read: {error}") from error
    if not isinstance(module, _Module):
        raise ArtifactError(f"{path}: holds no TorchScript module")
    return dict(_tensors(module, ""))


class _Module:
    """Whatever module was saved: only its attributes are of interest."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.attributes = state


class _Reader(pickle.Unpickler):
    """Makes modules and arrays, and nothing else."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._root = archive.namelist()[0].partition("/")[0]
        super().__init__(io.BytesIO(archive.read(f"{self._root}/data.pkl")))

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _array
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        if module == "torch.jit._pickle":  # lists with the type of their elements
            return _first
        raise pickle.UnpicklingError(f"{module}.{name} has no place in an artifact")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, kind, key, _, _ = pid
        return np.frombuffer(self._archive.read(f"{self._root}/data/{key}"), kind)


def _first(value: Any, *_: object) -> Any:
    return value


def _array(
    values: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> NDArray[Any]:
    """A tensor's view of its storage; copied by numpy's rules, which check that it lies inside."""
    return np.ndarray(
        shape,
        values.dtype,
        buffer=values.data,
        offset=offset * values.itemsize,
        strides=[step * values.itemsize for step in strides],
    )


def _tensors(module: _Module, prefix: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in module.attributes.items():
        if isinstance(value, np.ndarray):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
