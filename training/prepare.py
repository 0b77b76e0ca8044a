"""Check images and write them as train, valid and test, ready to train on.

A source is a folder with Fashion-MNIST's four files, the word fashion-mnist (torchvision downloads
it), or an ImageFolder tree or zip: CLASS/NAME, or train/CLASS/NAME and test/CLASS/NAME. What is
there of train, valid and test is kept; a missing split is cut off, stratified and seeded.
Corrupt images and exact duplicates are reported and left out.

    python -m training prepare /usr/share/datasets/fashion-mnist --output data/fashion-mnist --pack
    python -m training prepare photos.zip --output data/photos
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from tqdm import tqdm

from app.errors import ServiceError
from app.images import decode
from training import fashion_mnist
from training.command import output_folder
from training.datasets import FOLDERS, MAX_PIXELS, SPLITS, class_ids, open_images, unread_files
from training.errors import DataError

VALID_IMAGES_OF_FASHION_MNIST = 5_000

SPLIT_FOLDERS = {**{split: split for split in SPLITS}, "val": "valid", "validation": "valid"}
"""Splits by the names that their folders have elsewhere, in small letters."""


@dataclass(frozen=True)
class Item:
    """One image file on its way: the split it came in, if any, and its class folder."""

    split: str | None
    folder: str
    name: str
    data: bytes


@dataclass
class Summary:
    """What `prepare` did, written as prepared.json beside the splits.

    Name, licence and URL are those of the source; the model card repeats them.
    """

    name: str
    licence: str
    url: str | None
    seed: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    corrupt: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", help="folder, zip, or the word fashion-mnist")
    parser.add_argument(
        "--output", type=output_folder, required=True, help="folder to write the splits to"
    )
    parser.add_argument("--pack", action="store_true", help="write one zip per split, not folders")
    parser.add_argument("--seed", type=int, default=0, help="of the random splits (default: 0)")
    parser.add_argument(
        "--valid", type=float, default=0.1, help="share for a missing valid split (default: 0.1)"
    )
    parser.add_argument(
        "--test", type=float, default=0.1, help="share for a missing test split (default: 0.1)"
    )
    parser.add_argument("--name", help="of the source, for the model card (default: its file name)")
    parser.add_argument("--licence", default="not stated", help="of the source, for the model card")
    parser.add_argument("--url", help="of the source, for the model card")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the output")


def run(arguments: argparse.Namespace) -> int:
    """Prepare one source; prints the counts."""
    summary = prepare(
        arguments.source,
        arguments.output,
        pack=arguments.pack,
        seed=arguments.seed,
        shares={"valid": arguments.valid, "test": arguments.test},
        overwrite=arguments.overwrite,
        name=arguments.name,
        licence=arguments.licence,
        url=arguments.url,
    )
    for kind, names in (("corrupt", summary.corrupt), ("duplicate", summary.duplicates)):
        for name in names[:10]:
            print(f"left out, {kind}: {name}")
        if len(names) > 10:
            print(f"left out, {kind}: {len(names) - 10} more, listed in prepared.json")
    if summary.unread:
        print(f"left out, {unread_files(summary.unread)}; listed in prepared.json")
    for split, counts in summary.counts.items():
        per_class = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        print(f"{split}: {sum(counts.values()):,} images ({per_class})")
    print(f"written to {arguments.output}")
    return 0


def prepare(
    source: str,
    output: Path,
    *,
    pack: bool = False,
    seed: int = 0,
    shares: dict[str, float] | None = None,
    overwrite: bool = False,
    name: str | None = None,
    licence: str = "not stated",
    url: str | None = None,
) -> Summary:
    """Check, split and write one source; nothing is left behind when it fails.

    Raises:
        DataError: the source cannot be used, or there is something at `output` already.
    """
    partial = output.with_name(output.name + ".partial")
    read = Path(source).resolve()
    nested = any(
        read == written or read in written.parents or written in read.parents
        for written in (output.resolve(), partial.resolve())
    )
    if nested and source != fashion_mnist.NAME:
        raise DataError(
            f"{source} and {output} (or {partial.name} beside it) lie one within the other: name "
            "another folder"
        )
    if output.exists() and any(output.iterdir()) and not overwrite:
        raise DataError(f"{output} is not empty: name another folder, or give --overwrite")
    summary = Summary(name or Path(source).name, licence, url, seed)
    shares = {"valid": 0.1, "test": 0.1} if shares is None else dict(shares)
    if not all(0 < share < 0.5 for share in shares.values()):
        raise DataError("the shares for valid and test must lie between 0 and 0.5")
    folder = fashion_mnist.download() if source == fashion_mnist.NAME else Path(source)
    if fashion_mnist.is_fashion_mnist(folder):
        items = list(_fashion_mnist(folder))
        summary.name, summary.licence = fashion_mnist.TITLE, fashion_mnist.LICENCE
        summary.url = fashion_mnist.URL
        shares["valid"] = VALID_IMAGES_OF_FASHION_MNIST / fashion_mnist.COUNTS["train"]
    else:
        items = list(_image_folder(folder, summary))
    splits = _split(_checked(items, summary), shares, seed)
    summary.counts = {
        split: dict(sorted(Counter(item.folder for item in chosen).items()))
        for split, chosen in splits.items()
    }
    _check_classes(summary.counts)
    shutil.rmtree(partial, ignore_errors=True)
    for split, chosen in splits.items():
        _write(partial, split, chosen, pack)
    (partial / "prepared.json").write_text(json.dumps(vars(summary), indent=1) + "\n")
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)
    return summary


def _fashion_mnist(folder: Path) -> Iterator[Item]:
    for split in ("train", "test"):
        images, labels = fashion_mnist.read(folder, split)
        pairs = zip(images, labels, strict=True)
        for index, (image, label) in enumerate(tqdm(pairs, split, len(labels), disable=None)):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            yield Item(split, FOLDERS[label], f"{split}-{index:05d}.png", png.getvalue())


def _image_folder(path: Path, summary: Summary) -> Iterator[Item]:
    folder = open_images(path)
    ids = class_ids(folder)
    summary.unread = folder.unread
    for file in tqdm(folder.files, f"reading {path.name}", unit="img", disable=None):
        parts = PurePosixPath(file.name).parts
        above = (SPLIT_FOLDERS.get(part.lower()) for part in parts[:-2])
        split = next((found for found in above if found), None)
        try:
            data = folder.read(file)
        except ServiceError as error:
            summary.corrupt.append(f"{file.name}: {error}")
            continue
        yield Item(split, FOLDERS[ids[file.folder]], parts[-1], data)


def _checked(items: list[Item], summary: Summary) -> list[Item]:
    """The items without corrupt images and without a second copy of the same pixels."""
    seen: dict[bytes, str] = {}
    kept = []
    # Test first: of two equal images in two splits, the copy to train on is the one to go.
    order = {"test": 0, "valid": 1, "train": 2, None: 3}
    in_order = sorted(items, key=lambda item: order[item.split])
    for item in tqdm(in_order, "checking", unit="img", disable=None):
        place = "/".join(filter(None, (item.split, item.folder, item.name)))
        try:
            image = decode(item.data, max_pixels=MAX_PIXELS).image
        except ServiceError as error:
            summary.corrupt.append(f"{place}: {error}")
            continue
        digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
        if digest in seen:
            summary.duplicates.append(f"{place}: the same pixels as {seen[digest]}")
            continue
        seen[digest] = place
        kept.append(item)
    return kept


def _split(items: list[Item], shares: dict[str, float], seed: int) -> dict[str, list[Item]]:
    """Keep the splits that are there; cut the missing ones off train, class by class."""
    splits: dict[str, list[Item]] = {split: [] for split in SPLITS}
    by_class: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.split in ("valid", "test"):
            splits[item.split].append(item)
        else:
            by_class[item.folder].append(item)
    missing = [split for split in ("valid", "test") if not splits[split]]
    random = np.random.default_rng(seed)
    for folder, members in sorted(by_class.items()):
        members.sort(key=lambda item: item.name)
        shuffled = [members[index] for index in random.permutation(len(members))]
        for split in missing:
            count = max(1, round(len(members) * shares[split]))
            splits[split] += shuffled[:count]
            shuffled = shuffled[count:]
        if not shuffled:
            raise DataError(f"the class {folder!r} has too few images to split: {len(members)}")
        splits["train"] += shuffled
    return splits


def _check_classes(counts: dict[str, dict[str, int]]) -> None:
    for folder in sorted({name for split in counts.values() for name in split}):
        where = [split for split in counts if folder in counts[split]]
        if len(where) == 1 or "train" not in where:
            raise DataError(
                f"the class {folder!r} is only in {' and '.join(where)}: a class needs images in "
                "train and in one more split"
            )


def _write(output: Path, split: str, items: list[Item], pack: bool) -> None:
    output.mkdir(parents=True, exist_ok=True)
    items = sorted(items, key=lambda item: (item.folder, item.name))
    archive = zipfile.ZipFile(output / f"{split}.zip", "w") if pack else None
    names: set[str] = set()
    for item in tqdm(items, f"writing {split}", unit="img", disable=None):
        name = f"{item.folder}/{item.name}"
        if name in names:  # two folders of the source may hold files of one name
            stem, suffix = name.rsplit(".", 1)
            name = f"{stem}-{hashlib.sha256(item.data).hexdigest()[:8]}.{suffix}"
        names.add(name)
        if archive is not None:
            # A fixed time, so that the same data gives the same bytes; images do not compress.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), item.data)
        else:
            file = output / split / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(item.data)
    if archive is not None:
        archive.close()
