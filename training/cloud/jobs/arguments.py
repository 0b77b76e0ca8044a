"""What `train` and `tune` have in common on the command line."""

from __future__ import annotations

import argparse

COMMON = (
    "epochs",
    "batch-size",
    "learning-rate",
    "weight-decay",
    "augment",
    "architecture",
    "version",
    "config",
)
"""Flags of `train` that need no `--` before them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what a training job and the jobs of a tuning have in common."""
    add = parser.add_argument
    add(
        "--data",
        action="append",
        required=True,
        metavar="[NAME=]s3://BUCKET/PREFIX",
        help="prepared data that was uploaded; repeat it to mix sources. NAME is the source's "
        "name, for --weights and --augment-of (default: the prefix's last part)",
    )
    add("--role", required=True, help="name or ARN of the role that the job runs as")
    add(
        "--output",
        metavar="s3://BUCKET/PREFIX",
        help="for artifacts, checkpoints and the job's source (default: jobs/ in the bucket of "
        "the first --data)",
    )
    add(
        "--start-from",
        metavar="s3://...",
        help="an artifact to start from: a release's model.pt, or a job's model.tar.gz",
    )
    add("--instance-type", default="ml.g5.xlarge", help="default: %(default)s")
    add("--volume-gb", type=int, default=50, help="disk of an instance (default: %(default)s)")
    add(
        "--spot",
        action="store_true",
        help="take spare capacity, which costs less and may be taken away: the job then waits and "
        "goes on from its checkpoint",
    )
    add(
        "--max-hours",
        type=_hours,
        default=4.0,
        help="a job that runs longer is stopped (default: %(default)s)",
    )
    add(
        "--max-wait-hours",
        type=_hours,
        help="with --spot: running and waiting for capacity together (default: twice --max-hours)",
    )
    add(
        "--image",
        help="the container's image (default: AWS's newest for PyTorch); in this project's own, "
        "`tune` runs the code that lies in it",
    )
    add("--tag", action="append", default=[], metavar="KEY=VALUE", help="a tag; repeat it for more")
    add("--yes", action="store_true", help="start without asking")
    add("--dry-run", action="store_true", help="print the exact requests, only")
    group = parser.add_argument_group("flags of train; others follow after --")
    for name in COMMON:
        group.add_argument(f"--{name}")
    group.add_argument("flags", nargs="*", metavar="-- --FLAG VALUE", help=argparse.SUPPRESS)


def _hours(text: str) -> float:
    value = float(text)
    if not 0 < value <= 28 * 24:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 672 hours")
    return value
