"""Read a split of prepared images into memory, as serving prepares photos."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from app.card import CATEGORIES
from app.errors import ServiceError
from app.images import decode
from app.trimming import trim
from training.data.datasets import MAX_PIXELS, class_ids, open_images
from training.errors import DataError
from training.networks import INPUT_SIZE, letterbox


@dataclass(frozen=True)
class Split:
    """One split in memory, letterboxed as serving does it.

    `images` is uint8 `[N, 3, S, S]`, `labels` int64 `[N]` (10 is `other`), `names` the N files.
    """

    images: Tensor
    labels: Tensor
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_garments(self) -> bool:
        """Whether there is an image of the ten categories, and not of `other` alone."""
        return bool((self.labels < len(CATEGORIES)).any())

    @property
    def digest(self) -> str:
        """The SHA-256 of the images' names and labels, in their order."""
        pairs = zip(self.names, self.labels.tolist(), strict=True)
        return hashlib.sha256(json.dumps(list(pairs)).encode()).hexdigest()


def to_tensor(data: bytes) -> Tensor:
    """Decode and trim image bytes as serving does, to uint8 `[3, H, W]`."""
    image = trim(decode(data, max_pixels=MAX_PIXELS)).image
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def load_split(
    path: Path, size: int = INPUT_SIZE, progress: bool = True, most: int | None = None
) -> Split:
    """Read a split into memory, with threads and a progress bar.

    Args:
        path: of the folder or pack.
        size: edge of the images, in pixels.
        progress: whether to show a bar.
        most: how many images to read, evenly spread over the split; None for all.

    Raises:
        DataError: nothing there, an unknown class, or an image that cannot be decoded.
    """
    folder = open_images(path)
    ids = class_ids(folder)
    files = folder.files
    if most is not None and len(files) > most:
        files = [files[place * len(files) // most] for place in range(most)]
    images = torch.empty((len(files), 3, size, size), dtype=torch.uint8)

    def load(index: int) -> None:
        file = files[index]
        try:
            images[index] = letterbox(to_tensor(folder.read(file)), size)
        except ServiceError as error:
            raise DataError(
                f"{path}: {file.name}: {error} `python -m training prepare` leaves such files out"
            ) from error

    indices = range(len(files))
    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in tqdm(
            pool.map(load, indices),
            total=len(indices),
            desc=f"reading {path.name}",
            unit="img",
            disable=None if progress else True,
        ):
            pass
    labels = torch.tensor([ids[file.folder] for file in files])
    return Split(images, labels, [file.name for file in files])
