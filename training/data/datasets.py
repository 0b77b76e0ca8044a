"""List prepared images: an ImageFolder tree, or a pack (one zip of such a tree) per split.

Prepared data is a folder with `train`, `valid` and `test`, each a tree `CLASS/NAME` or a pack
`train.zip` of the same. Folder names are the ten categories (a slash is written as a hyphen:
`T-shirt-top`) and `other`, for what is no garment of the ten.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from app.card import CATEGORIES
from training.data.folder_names import SPLITS, for_no_class, meant, splits_among
from training.data.listing import open_tree, refuse_undecodable
from training.data.zips import read_member
from training.errors import DataError
from training.wording import photo_count

OTHER = "other"
FOLDERS: tuple[str, ...] = (*(category.replace("/", "-") for category in CATEGORIES), OTHER)
"""Folder names by class id; the eleventh, 10, is `other`."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_HEIC = {".heic", ".heif"}
PREPARE = "python -m training prepare --help"
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class ImageFile:
    """One file of an ImageFolder: its path below the root, and the folder that is its class.

    `member` is what the tree or zip itself calls it, which may begin with `./`.
    """

    name: str
    folder: str
    member: str


@dataclass(frozen=True)
class ImageFolder:
    """The images of one tree or zip, listed but not read."""

    path: Path
    files: list[ImageFile]
    archive: zipfile.ZipFile | None
    unread: list[str] = field(default_factory=list)
    """Files in class folders that are of no kind that is read."""
    unsorted: list[str] = field(default_factory=list)
    """Photos beside the class folders."""

    @property
    def classes(self) -> list[str]:
        """The class folders, sorted."""
        return sorted({file.folder for file in self.files})

    def counts(self) -> dict[str, int]:
        """How many images each class has."""
        return dict(sorted(Counter(file.folder for file in self.files).items()))

    def read(self, file: ImageFile) -> bytes:
        """The bytes of one image file.

        Raises:
            CorruptImage: it is damaged where it lies in the zip.
        """
        if self.archive is not None:
            return read_member(self.archive, file.member)
        return (self.path / file.member).read_bytes()

    def size(self, file: ImageFile) -> int:
        """Of the file, in bytes."""
        if self.archive is not None:
            return self.archive.getinfo(file.member).file_size
        return (self.path / file.member).stat().st_size


def open_images(path: Path) -> ImageFolder:
    """List the images of an ImageFolder tree or zip.

    Raises:
        DataError: there is nothing there, no zip or one that cannot be read, no image in a class
            folder, a link to nothing, or a name that is not UTF-8.
    """
    archive, members = open_tree(path)
    files, unread, unsorted = [], [], []
    for file, member in members:
        suffix, alone = file.suffix.lower(), len(file.parts) < 2
        if alone and suffix not in (*SUFFIXES, *_HEIC):
            continue
        refuse_undecodable(path, file.as_posix())
        if alone:
            unsorted.append(file.as_posix())
        elif suffix in SUFFIXES:
            files.append(ImageFile(file.as_posix(), file.parts[-2], member))
        else:
            unread.append(file.as_posix())
    if not files:
        there = left_out(unread, unsorted)
        instead = f", but {' and '.join(there)}" if there else ""
        raise DataError(
            f"{path} holds no images{instead}: expected CLASS/NAME.png (or .jpg, .webp, ...)"
        )
    return ImageFolder(path, files, archive, unread, unsorted)


def left_out(unread: list[str], unsorted: list[str]) -> list[str]:
    """What of a source is no image in a class folder, a line for each kind."""
    told = [_unread_files(unread)] if unread else []
    if unsorted:
        told.append(f"{photo_count(len(unsorted))} in no class folder (first: {unsorted[0]})")
    return told


def _unread_files(names: list[str]) -> str:
    """How many files of which kinds are not read, and what to do about photos among them."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in names)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    advice = "; convert HEIC photos to JPEG" if _HEIC & kinds.keys() else ""
    return f"{len(names):,} files of kinds that are not read ({counts}){advice}"


def class_id(folder: str) -> int:
    """The class id of a folder name; case, spaces, hyphens and underscores do not matter.

    Raises:
        DataError: it is none of the ten categories and not `other`.
    """
    index = meant(folder, FOLDERS)
    if index is None:
        raise DataError(f"the class {folder!r} is none of these: {', '.join(FOLDERS)}")
    return index


def class_ids(folder: ImageFolder) -> dict[str, int]:
    """The class id of each class folder.

    Raises:
        DataError: naming the file and every folder that is no class.
    """
    places = {name: meant(name, FOLDERS) for name in folder.classes}
    ids = {name: place for name, place in places.items() if place is not None}
    if unknown := sorted(places.keys() - ids.keys()):
        files = [file.name for file in folder.files if file.folder not in ids]
        raise DataError(
            f"{folder.path}: {', '.join(map(repr, unknown))} is none of these classes: "
            f"{', '.join(FOLDERS)}. {for_no_class(files, FOLDERS)}"
        )
    return ids


def find_splits(data: Path) -> dict[str, Path]:
    """The splits under a folder of prepared data, as folders or packs.

    Raises:
        DataError: `data` is no folder, has none of the splits, or one of them twice.
    """
    if not data.is_dir():
        raise DataError(f"{data} is no folder. Prepare the data: {PREPARE}")
    found = splits_among({path.name for path in data.iterdir() if path.exists()}, str(data))
    if not found:
        raise DataError(
            f"{data} has none of {', '.join(SPLITS)} (folders or .zip packs). "
            f"Prepare the data: {PREPARE}"
        )
    return {split: data / name for split, name in found.items()}


def sources_of(folders: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Prepared data of several sources: by the name of its folder, each with its splits.

    Raises:
        DataError: a folder has no splits, or two have one name.
    """
    sources: dict[str, dict[str, Path]] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in sources:
            raise DataError(f"two sources are named {name!r}: rename the folder of one")
        sources[name] = find_splits(folder)
    return sources


def split_path(data: Path, split: str) -> Path:
    """The one split that is asked for.

    Raises:
        DataError: it is not there.
    """
    splits = find_splits(data)
    if split not in splits:
        raise DataError(f"{data} has no {split!r} split, only {', '.join(splits)}")
    return splits[split]
