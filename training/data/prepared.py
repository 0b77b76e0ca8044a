"""What `prepare` writes: the splits as folders or packs, and prepared.json beside them."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from training.data.datasets import left_out
from training.data.folder_names import SPLITS
from training.data.originals import Item
from training.wording import photo_count

SUMMARY = "prepared.json"

PARTIAL = ".prepare.partial"
"""The folder in the output that is written first; one that is there is of a run that was killed."""


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
    in_two_classes: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unsorted: list[str] = field(default_factory=list)
    """Photos beside the class folders of the source."""
    not_found: list[str] = field(default_factory=list)
    """Rows of tables whose photo is not in the source."""
    unlabelled: list[str] = field(default_factory=list)
    """Photos that the tables have no label for."""
    taken_for: dict[str, str] = field(default_factory=dict)
    """Folders of the source whose names are not those of the splits that they were taken for."""
    ignored: list[str] = field(default_factory=list)
    """Folders above those of the classes that name no split, where they differ."""

    def left_out(self) -> Iterator[str]:
        """For the terminal: what is not as it came; labels that contradict each other first."""
        for kind, names in (
            ("in two classes", self.in_two_classes),
            ("corrupt", self.corrupt),
            ("duplicate", self.duplicates),
            ("no such photo", self.not_found),
        ):
            for name in names[:10]:
                yield f"left out, {kind}: {name}"
            if len(names) > 10:
                yield f"left out, {kind}: {len(names) - 10} more, listed in prepared.json"
        if self.unlabelled:
            photos = photo_count(len(self.unlabelled))
            yield f"left out, {photos} without a label; listed in prepared.json"
        for told in left_out(self.unread, self.unsorted):
            yield f"left out, {told}; listed in prepared.json"
        for folder, split in self.taken_for.items():
            yield f"taken for {split}: {folder}/"
        if self.ignored:
            listed = ", ".join(self.ignored[:10]) + (", ..." if len(self.ignored) > 10 else "")
            yield f"folders that name no split, mixed with the rest: {listed}"

    def counted(self) -> Iterator[str]:
        """For the terminal: what there is of each class."""
        for split, counts in self.counts.items():
            per_class = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            yield f"{split}: {sum(counts.values()):,} images ({per_class})"


@contextmanager
def partial_folder(output: Path) -> Iterator[Path]:
    """A folder to write to before the rest of `output` is touched; it is dropped afterwards.

    It lies in `output`, which may be where a disk is mounted: what is whole is renamed from there.

    Raises:
        OSError: nothing can be written there, which is told before a long reading.
    """
    partial, is_new = output / PARTIAL, not output.exists()
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it holds what was prepared
                output.rmdir()


def write_prepared(
    partial: Path, output: Path, splits: Mapping[str, Sequence[Item]], summary: Summary, pack: bool
) -> None:
    """Write splits and summary to `partial`, then put them in place of what is in `output`.

    Raises:
        OSError: an image cannot be read again, or nothing be written; `output` is as it was.
    """
    new, old = partial / "new", partial / "old"
    for folder in (new, old):
        folder.mkdir()
    for split, items in splits.items():
        _write(new, split, items, pack)
    (new / SUMMARY).write_text(json.dumps(vars(summary), indent=1) + "\n")
    # What is there without its summary, after a crash, is not whole: it goes first, comes last.
    moves = [
        *((path, old / path.name) for path in sorted(filter(is_prepared, output.iterdir()))),
        *((path, output / path.name) for path in sorted(new.iterdir(), reverse=True)),
    ]
    done = []
    try:
        for place, target in moves:
            place.rename(target)
            done.append((place, target))
    except BaseException:  # Ctrl-C too
        for place, target in reversed(done):
            target.rename(place)
        raise


def is_prepared(path: Path) -> bool:
    """Whether something in a folder of prepared data has the name of what `prepare` writes."""
    return path.name == SUMMARY or path.name.removesuffix(".zip") in SPLITS


def _write(output: Path, split: str, items: Sequence[Item], pack: bool) -> None:
    items = sorted(items, key=lambda item: (item.folder, item.name))
    archive = zipfile.ZipFile(output / f"{split}.zip", "w") if pack else None
    names: set[str] = set()
    for item in tqdm(items, f"writing {split}", unit="img", disable=None):
        data = item.read()
        name = f"{item.folder}/{item.name}"
        if name in names:  # two folders of the source may hold files of one name
            stem, suffix = name.rsplit(".", 1)
            name = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}.{suffix}"
        names.add(name)
        if archive is not None:
            # A fixed time, so that the same data gives the same bytes; images do not compress.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
        else:
            file = output / split / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    if archive is not None:
        archive.close()
