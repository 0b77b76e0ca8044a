"""The images of a source as they come, and which of them are fit to learn from.

They are listed first, and read one by one when they are checked and again when they are written:
a folder of photos may be larger than the memory.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from PIL import Image
from tqdm import tqdm

from app.errors import ServiceError
from app.images import decode
from training.data import fashion_mnist
from training.data.datasets import FOLDERS, MAX_PIXELS, ImageFolder, class_ids, open_images

_SPLIT_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation", "holdout"),
}
_ENDINGS = ("set", "split", "data", "images")


@dataclass(frozen=True)
class Item:
    """One image file: where it lies in the source, its split there, if any, and its class folder.

    `digest` is of the pixels, once it is checked.
    """

    place: str
    split: str | None
    folder: str
    read: Callable[[], bytes]
    digest: str = ""

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.place).name


@dataclass
class Source:
    """What a source has; `renamed` are the folders that were taken for a split by another name."""

    items: list[Item]
    unread: list[str] = field(default_factory=list)
    unsorted: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    """Folders above those of the classes that name no split, where there are several."""
    in_two_classes: list[str] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    """Of tables: photos with two labels, rows whose photo is not there, photos without a row."""


@dataclass
class Checked:
    """The items that are fit, and why the rest is not, a line each."""

    items: list[Item] = field(default_factory=list)
    in_two_classes: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


def read_fashion_mnist(folder: Path) -> Source:
    """All images of its two splits, as PNG files."""
    return Source(list(_fashion_mnist(folder)))


def _fashion_mnist(folder: Path) -> Iterator[Item]:
    for split in ("train", "test"):
        images, labels = fashion_mnist.read(folder, split)
        pairs = zip(images, labels, strict=True)
        for index, (image, label) in enumerate(tqdm(pairs, split, len(labels), disable=None)):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            place = f"{split}/{FOLDERS[label]}/{split}-{index:05d}.png"
            yield Item(place, split, FOLDERS[label], partial(bytes, png.getvalue()))


def list_images(path: Path) -> Source:
    """The images of an ImageFolder tree or zip, each with the split that a folder above names.

    Raises:
        DataError: there are none, or a class is unknown.
    """
    return source_of(open_images(path), within=1)


def source_of(folder: ImageFolder, within: int) -> Source:
    """Its images as a source; each lies `within` so many folders of its class.

    Raises:
        DataError: a class is unknown.
    """
    ids = class_ids(folder)
    source = Source([], unread=folder.unread, unsorted=folder.unsorted)
    others = set()
    for file in folder.files:
        above = PurePosixPath(file.name).parts[: -1 - within]
        named = [(part, name) for part in above if (name := split_named(part))]
        for part, name in named[:1]:
            if part.lower() != name:
                source.renamed[part] = name
        split = named[0][1] if named else None
        others.add("/".join(part for part in above if not split_named(part)))
        item = Item(file.name, split, FOLDERS[ids[file.folder]], partial(folder.read, file))
        source.items.append(item)
    # One folder around everything says nothing; where there are two, they may have meant splits.
    source.ignored = sorted(others - {""}) if len(others) > 1 else []
    return source


def split_named(folder: str) -> str | None:
    """The split that a folder is named for, such as `Test_set` or `val2017`; None for no split."""
    letters = "".join(filter(str.isalpha, folder.lower()))
    for ending in ("", *_ENDINGS):
        for split, names in _SPLIT_NAMES.items():
            if letters.removesuffix(ending) in names:
                return split
    return None


def check(items: Sequence[Item]) -> Checked:
    """Leave out what cannot be read, what is in two classes, and all but one of equal images."""
    checked = Checked()
    copies: dict[str, list[Item]] = defaultdict(list)
    # Test first: of two equal images in two splits, the copy to train on is the one to go.
    order = {"test": 0, "valid": 1, "train": 2, None: 3}
    in_order = sorted(items, key=lambda item: order[item.split])
    for item in tqdm(in_order, "checking", unit="img", disable=None):
        try:
            image = decode(item.read(), max_pixels=MAX_PIXELS).image
        except ServiceError as error:
            checked.corrupt.append(f"{item.place}: {error}")
            continue
        digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()
        copies[digest].append(replace(item, digest=digest))
    for first, *more in copies.values():
        if any(item.folder != first.folder for item in more):  # which label is right, if any?
            checked.in_two_classes.append(", ".join(item.place for item in (first, *more)))
            continue
        checked.items.append(first)
        checked.duplicates += [f"{item.place}: the same pixels as {first.place}" for item in more]
    return checked
