"""What the commands for endpoints have in common on the command line."""

from __future__ import annotations

import argparse
import re

from training.cloud.endpoint.guardrails import Canary
from training.command import positive


def endpoint_name(text: str) -> str:
    """An endpoint's name, as the type of an argument."""
    # In small letters, because IAM's resource names are; short, so that the version fits behind.
    if not re.fullmatch(r"[a-z0-9](-?[a-z0-9])*", text) or len(text) > 40:
        raise argparse.ArgumentTypeError(
            f"{text!r}: small letters, digits and single hyphens between them, at most 40"
        )
    return text


def variable(text: str) -> tuple[str, str]:
    """`NAME=VALUE`, as the type of an argument."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def share(text: str) -> float:
    """A number from 0 to 1, as the type of an argument."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Declare --dry-run."""
    parser.add_argument(
        "--dry-run", action="store_true", help="print the requests and change nothing"
    )


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Declare --yes."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def add_timeout(parser: argparse.ArgumentParser, minutes: int) -> None:
    """Declare --timeout."""
    parser.add_argument(
        "--timeout",
        type=positive,
        default=minutes,
        metavar="MINUTES",
        help="how long to wait (default %(default)s)",
    )


def add_canary(parser: argparse.ArgumentParser) -> None:
    """Declare how traffic moves to the new machines of an update."""
    default = Canary()
    parser.add_argument(
        "--canary-percent",
        type=int,
        choices=range(1, 51),
        metavar="1..50",
        default=default.percent,
        help="share of the machines that gets traffic first (default %(default)s)",
    )
    parser.add_argument(
        "--canary-minutes",
        type=int,
        choices=range(1, 61),
        metavar="1..60",
        default=default.wait_seconds // 60,
        help="how long the alarms watch it (default %(default)s)",
    )
    parser.add_argument(
        "--at-once", action="store_true", help="no canary and no alarms: for an emergency"
    )


def canary_of(arguments: argparse.Namespace) -> Canary | None:
    """What `add_canary` has read; None for all at once."""
    if arguments.at_once:
        return None
    return Canary(arguments.canary_percent, arguments.canary_minutes * 60)


def agreed(question: str) -> bool:
    """Ask on the terminal; no where nobody can answer."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print("nobody answers; give --yes")
        return False
