"""Check images and write them as train, valid and test, ready to train on.

A source is a folder with Fashion-MNIST's four files, the word fashion-mnist (torchvision downloads
it), or an ImageFolder tree or zip: CLASS/NAME, or train/CLASS/NAME and test/CLASS/NAME. What is
there of train, valid and test is kept; a missing split is cut off. Which images it gets follows
from their pixels and the seed, so that each stays in its split when photos are added. Corrupt
images, exact duplicates and images that lie in two classes are reported and left out. With
--labels, photos in any folders get the labels that people gave them on the service's page.

    python -m training prepare /usr/share/datasets/fashion-mnist --output data/fashion-mnist --pack
    python -m training prepare photos.zip --output data/photos
    python -m training prepare photos --labels garments-2026-11-28T101500.csv --output data/photos
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.command import number, output_folder
from training.data import fashion_mnist
from training.data.label_tables import read_tables
from training.data.labelled import list_labelled
from training.data.originals import Item, Source, check, list_images, read_fashion_mnist
from training.data.prepared import (
    PARTIAL,
    Summary,
    is_prepared,
    partial_folder,
    write_prepared,
)
from training.data.splits import check_classes, split
from training.errors import DataError

SHARES = {"valid": 0.1, "test": 0.1}
VALID_SHARE_OF_FASHION_MNIST = 5_000 / fashion_mnist.COUNTS["train"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", help="folder, zip, or the word fashion-mnist")
    parser.add_argument(
        "--output", type=output_folder, required=True, help="folder to write the splits to"
    )
    parser.add_argument("--pack", action="store_true", help="write one zip per split, not folders")
    parser.add_argument(
        "--seed", type=number(int, 0, 2**31), default=0, help="of the random splits (default: 0)"
    )
    parser.add_argument(
        "--valid",
        type=float,
        help="share for a missing valid split (default: 0.1; of Fashion-MNIST 5,000 images)",
    )
    parser.add_argument("--test", type=float, help="share for a missing test split (default: 0.1)")
    parser.add_argument(
        "--labels",
        type=Path,
        action="append",
        metavar="CSV",
        default=[],
        help="a table of the service's page, with the labels in true_label; may be repeated",
    )
    parser.add_argument(
        "--accepted",
        action="store_true",
        help="with --labels: where nobody looked, take an answer that asked for no review",
    )
    parser.add_argument("--name", help="of the source, for the model card (default: its file name)")
    parser.add_argument("--licence", help="of the source, for the model card")
    parser.add_argument("--url", help="of the source, for the model card")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the output")


def run(arguments: argparse.Namespace) -> int:
    """Prepare one source; prints the counts."""
    given = {"valid": arguments.valid, "test": arguments.test}
    summary = prepare(
        arguments.source,
        arguments.output,
        labels=arguments.labels,
        accepted=arguments.accepted,
        pack=arguments.pack,
        seed=arguments.seed,
        shares={name: share for name, share in given.items() if share is not None},
        overwrite=arguments.overwrite,
        name=arguments.name,
        licence=arguments.licence,
        url=arguments.url,
    )
    print(*summary.counted(), sep="\n")
    print(f"written to {arguments.output}")
    return 0


def prepare(
    source: str,
    output: Path,
    *,
    labels: Sequence[Path] = (),
    accepted: bool = False,
    pack: bool = False,
    seed: int = 0,
    shares: Mapping[str, float] | None = None,
    overwrite: bool = False,
    name: str | None = None,
    licence: str | None = None,
    url: str | None = None,
) -> Summary:
    """Check, split and write one source; prints what is left out.

    Nothing is left behind when it fails.

    `labels` are tables that have the photos' classes, `accepted` tells whether the model's own
    answers count there (`label_tables`). `shares` of valid and test, and what is said of the
    source, go before the usual ones.

    Raises:
        DataError: the source cannot be used, or there is something at `output` already.
        OSError: a file cannot be read or written.
    """
    shares = dict(shares or {})
    if not all(0 < share < 0.5 for share in shares.values()):
        raise DataError("the shares for valid and test must lie between 0 and 0.5")
    if accepted and not labels:
        raise DataError("--accepted is for the answers in tables: give them with --labels")
    known = source == fashion_mnist.NAME or fashion_mnist.is_fashion_mnist(Path(source))
    if labels and known:
        raise DataError("Fashion-MNIST has its own labels: leave out --labels")
    rows = read_tables(labels, accepted) if labels else []
    _refuse_output([source, *map(str, labels)], output, overwrite)
    with partial_folder(output) as partial:
        folder = fashion_mnist.download() if source == fashion_mnist.NAME else Path(source)
        if rows:
            found = list_labelled(folder, rows)
        else:
            found = read_fashion_mnist(folder) if known else list_images(folder)
        _refuse_shares(source, found, shares)
        checked = check(found.items)
        if known:
            shares = {"valid": VALID_SHARE_OF_FASHION_MNIST} | shares
        summary = Summary(
            name=name or (fashion_mnist.TITLE if known else Path(source).resolve().name),
            licence=licence or (fashion_mnist.LICENCE if known else "not stated"),
            url=url or (fashion_mnist.URL if known else None),
            seed=seed,
            in_two_classes=[*found.in_two_classes, *checked.in_two_classes],
            corrupt=checked.corrupt,
            duplicates=checked.duplicates,
            unread=found.unread,
            unsorted=found.unsorted,
            not_found=found.not_found,
            unlabelled=found.unlabelled,
            taken_for=found.renamed,
            ignored=found.ignored,
        )
        for line in summary.left_out():  # it may be why a class has too few images
            print(line)
        _refuse_lost(found.items, checked.items)
        splits = split(checked.items, SHARES | shares, seed, shuffled=known)
        summary.counts = {
            part: dict(sorted(Counter(item.folder for item in chosen).items()))
            for part, chosen in splits.items()
        }
        check_classes(summary.counts)
        write_prepared(partial, output, splits, summary, pack)
    return summary


def _refuse_output(sources: Sequence[str], output: Path, overwrite: bool) -> None:
    """Before originals are overwritten, or what was prepared before."""
    written = output.resolve()
    for source in sources:
        read = Path(source).resolve()
        nested = read == written or read in written.parents or written in read.parents
        if nested and source != fashion_mnist.NAME:
            raise DataError(f"{source} and {output} lie one within the other: name another folder")
    found = sorted(output.iterdir()) if output.exists() else []
    there = [path for path in found if path.name != PARTIAL]
    if there and not overwrite:
        raise DataError(f"{output} is not empty: name another folder, or give --overwrite")
    if other := next((path.name for path in there if not is_prepared(path)), None):
        raise DataError(
            f"{output} holds {other!r}, which no prepared data has, so it may be a wrong folder: "
            "name another, or remove what is in it yourself"
        )


def _refuse_shares(source: str, found: Source, shares: Mapping[str, float]) -> None:
    """Rather than ignore what the user asks for."""
    for part in shares.keys() & {item.split for item in found.items}:
        raise DataError(
            f"{source} has a {part} split of its own, which is kept: leave out --{part}"
        )


def _refuse_lost(found: Sequence[Item], fit: Sequence[Item]) -> None:
    """As a class of which too little is left is refused, so is one of which nothing is."""
    if lost := {item.folder for item in found} - {item.folder for item in fit}:
        raise DataError(
            f"every image of {', '.join(sorted(lost))} is left out, see above: mend them, or leave "
            "the class out"
        )
