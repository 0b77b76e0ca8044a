"""Look at every image of a split once, and keep what `explore` reports of it.

What is kept per image is small (a thumbnail of 28 x 28 and a few numbers), so that 70,000 images
take about 100 MB, however large their files are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from app.errors import ServiceError
from app.images import decode
from training.data.datasets import (
    FOLDERS,
    MAX_PIXELS,
    ImageFile,
    ImageFolder,
    class_ids,
    open_images,
)
from training.networks import letterbox

THUMBNAIL = 28
MEAN_SIZE = 56
BLANK_CONTRAST = 2.0
"""An image whose grey levels deviate less than this (of 255) shows nothing."""

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """What is kept of one image; sizes are the file's, in pixels, upright."""

    thumbnail: Pixels
    width: int
    height: int
    format: str
    grey: bool
    brightness: float
    contrast: float
    channel_means: Floats
    channel_squares: Floats


@dataclass(frozen=True)
class Survey:
    """A split: the counts of all its files, and arrays over the `files` that were looked at.

    `thumbnails` uint8 `[N, 28, 28]`, grey, aspect not kept; `brightness` and `contrast` (mean and
    standard deviation of the grey levels, 0 to 255), `widths`, `heights`, `grey` and `labels`
    `[N]`. `class_means` holds uint8 `[56, 56, 3]` per class id, `channel_mean` and `channel_std`
    (0 to 1) count every image alike.
    """

    split: str
    folder: ImageFolder
    counts: dict[str, int]
    files: list[ImageFile]
    damaged: list[str]
    labels: NDArray[np.int64]
    thumbnails: Pixels
    brightness: Floats
    contrast: Floats
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    grey: NDArray[np.bool_]
    formats: list[str]
    class_means: dict[int, Pixels]
    channel_mean: list[float]
    channel_std: list[float]


def survey(split: str, path: Path, sample: int | None, seed: int = 0) -> Survey:
    """Look at the images of the split at `path`, or at `sample` of them chosen by chance.

    Raises:
        DataError: there are no images, or a class that is unknown.
    """
    folder = open_images(path)
    ids = class_ids(folder)
    counts = dict.fromkeys((FOLDERS[index] for index in sorted(set(ids.values()))), 0)
    for file in folder.files:
        counts[FOLDERS[ids[file.folder]]] += 1
    files = folder.files
    if sample is not None and sample < len(files):
        chosen = np.random.default_rng(seed).choice(len(files), sample, replace=False)
        files = [files[index] for index in np.sort(chosen)]
    sums = {index: np.zeros((MEAN_SIZE, MEAN_SIZE, 3)) for index in set(ids.values())}
    kept: list[ImageFile] = []
    seen: list[Seen] = []
    damaged: list[str] = []

    def look(file: ImageFile) -> tuple[Seen, Pixels] | ServiceError:
        try:
            return _look(folder.read(file))
        except ServiceError as error:  # also that a file is empty
            return error

    with ThreadPoolExecutor(max_workers=4) as pool:
        looks = pool.map(look, files)
        for file, result in zip(
            files, tqdm(looks, f"looking at {split}", len(files), unit="img", disable=None),
            strict=True,
        ):  # fmt: skip
            if isinstance(result, ServiceError):
                damaged.append(f"{file.name}: {result}".rstrip("."))
                continue
            one, square = result
            sums[ids[file.folder]] += square
            kept.append(file)
            seen.append(one)
    labels = np.array([ids[file.folder] for file in kept], dtype=np.int64)
    mean = np.mean([one.channel_means for one in seen], axis=0) if seen else np.zeros(3)
    squares = np.mean([one.channel_squares for one in seen], axis=0) if seen else np.zeros(3)
    return Survey(
        split=split,
        folder=folder,
        counts=counts,
        files=kept,
        damaged=damaged,
        labels=labels,
        thumbnails=np.array([one.thumbnail for one in seen], np.uint8).reshape(
            -1, THUMBNAIL, THUMBNAIL
        ),
        brightness=np.array([one.brightness for one in seen]),
        contrast=np.array([one.contrast for one in seen]),
        widths=np.array([one.width for one in seen], np.int64),
        heights=np.array([one.height for one in seen], np.int64),
        grey=np.array([one.grey for one in seen], np.bool_),
        formats=[one.format for one in seen],
        class_means={
            index: (total / count).round().astype(np.uint8)
            for index, total in sorted(sums.items())
            if (count := int((labels == index).sum()))
        },
        channel_mean=(mean / 255).tolist(),
        channel_std=(np.sqrt((squares - mean**2).clip(min=0)) / 255).tolist(),
    )


def _look(data: bytes) -> tuple[Seen, Pixels]:
    """What is kept of an image, and its pixels for the mean of its class, letterboxed."""
    decoded = decode(data, max_pixels=MAX_PIXELS)
    pixels = np.array(decoded.image)
    levels = np.asarray(decoded.image.convert("L"), dtype=np.float32)
    thumbnail = decoded.image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    values = pixels.astype(np.float32)
    seen = Seen(
        thumbnail=np.array(thumbnail),
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        grey=bool((pixels.max(axis=2) - pixels.min(axis=2)).max() <= 8),
        brightness=float(levels.mean()),
        contrast=float(levels.std()),
        channel_means=values.mean(axis=(0, 1), dtype=np.float64),
        channel_squares=np.square(values).mean(axis=(0, 1), dtype=np.float64),
    )
    return seen, boxed(pixels, MEAN_SIZE)


def boxed(pixels: Pixels, size: int) -> Pixels:
    """RGB pixels `[H, W, 3]` letterboxed as for the network, `[size, size, 3]`."""
    square = letterbox(torch.from_numpy(pixels).permute(2, 0, 1), size)
    return square.permute(1, 2, 0).numpy()


def show(folder: ImageFolder, file: ImageFile, size: int = 112) -> Pixels:
    """One image of a split, for a picture, `[size, size, 3]`."""
    image = decode(folder.read(file), max_pixels=MAX_PIXELS).image
    return boxed(np.array(image), size)
