"""Read Fashion-MNIST's four original files (Xiao, Rasul and Vollgraf, 2017)."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path
from typing import Literal
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.torchvision_cpu import torchvision

NAME = "fashion-mnist"
TITLE, LICENCE = "Fashion-MNIST", "MIT"
URL = "https://github.com/zalandoresearch/fashion-mnist"
COUNTS = {"train": 60_000, "test": 10_000}
HOW_TO_GET = (
    "Get the four files with Debian's package dataset-fashion-mnist "
    "(they lie in /usr/share/datasets/fashion-mnist), from "
    f"{URL}, or give the word fashion-mnist as the source and torchvision downloads them."
)

_PREFIXES = {"train": "train", "test": "t10k"}

# Of the unpacked files as Debian and Zalando ship them today.
_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
# Of the packed files as torchvision knows them (torchvision.datasets.FashionMNIST.resources).
_MD5 = {Path(name).stem: md5 for name, md5 in torchvision.datasets.FashionMNIST.resources}

Images = NDArray[np.uint8]


def is_fashion_mnist(source: Path) -> bool:
    """Whether a folder holds idx files, so that it is meant to be Fashion-MNIST."""
    return source.is_dir() and any(source.glob("*-ubyte*"))


def download(folder: Path | None = None) -> Path:
    """Let torchvision download the files; returns the folder that holds them.

    Raises:
        DataError: they cannot be downloaded.
    """
    root = folder or Path(tempfile.gettempdir()) / "garment-classifier"
    try:
        torchvision.datasets.FashionMNIST(root, download=True)
    except (URLError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())  # torchvision's has a line for each mirror
        raise DataError(f"Fashion-MNIST cannot be downloaded ({reason}). {HOW_TO_GET}") from error
    return root / "FashionMNIST" / "raw"


def read(folder: Path, split: Literal["train", "test"]) -> tuple[Images, Images]:
    """The images, uint8 `[N, 28, 28]`, and labels, uint8 `[N]`, of one of its two splits.

    Raises:
        DataError: a file is missing, has another checksum, or another number of entries.
    """
    prefix, count = _PREFIXES[split], COUNTS[split]
    images = _read_idx(folder, f"{prefix}-images-idx3-ubyte", 16, (count, 28, 28))
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte", 8, (count,))
    return images, labels


def _read_idx(folder: Path, name: str, header: int, shape: tuple[int, ...]) -> Images:
    packed, unpacked = folder / f"{name}.gz", folder / name
    try:
        if packed.exists():
            raw = packed.read_bytes()
            known = hashlib.md5(raw, usedforsecurity=False).hexdigest() == _MD5.get(name)
            content = gzip.decompress(raw)
        elif unpacked.exists():
            known, content = False, unpacked.read_bytes()
        else:
            raise DataError(f"{folder} lacks {name}.gz. {HOW_TO_GET}")
    except (OSError, EOFError) as error:
        raise DataError(f"{folder / name} cannot be read: {error}. {HOW_TO_GET}") from error
    if len(content) != header + int(np.prod(shape)):
        raise DataError(
            f"{folder / name} has {len(content):,} bytes; {shape[0]:,} entries take "
            f"{header + int(np.prod(shape)):,}. It is truncated or another data set. {HOW_TO_GET}"
        )
    sha256 = hashlib.sha256(content).hexdigest()
    if not known and sha256 != _SHA256[name]:
        raise DataError(
            f"{folder / name} has the SHA-256 {sha256}, which is not Fashion-MNIST's "
            f"({_SHA256[name]}). {HOW_TO_GET}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
