"""What the commands for endpoints have in common on the command line."""

from __future__ import annotations

import argparse
import re

from training.cloud.endpoint.alarms import LEAST_MINUTES, Limits
from training.cloud.endpoint.guardrails import Canary, Scaling
from training.command import number, positive
from training.errors import CloudError

UPDATE_MINUTES = 60
"""For new machines to start."""

LONGEST_MS = 60_000
"""SageMaker waits no longer for the container's answer."""


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


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """Declare which endpoint it is about."""
    parser.add_argument("endpoint", type=endpoint_name, help="its name, such as garments")


def add_machines(parser: argparse.ArgumentParser) -> None:
    """Declare --instance-type and --instances."""
    parser.add_argument("--instance-type", default="ml.c5.xlarge", help="(default %(default)s)")
    parser.add_argument("--instances", type=positive, default=1, help="(default %(default)s)")


def add_scaling(parser: argparse.ArgumentParser) -> None:
    """Declare how the number of machines follows the load."""
    parser.add_argument(
        "--max-instances", type=positive, help="scale with the load, up to so many machines"
    )
    parser.add_argument(
        "--min-instances", type=positive, help="and down to so many (default: --instances)"
    )
    parser.add_argument(
        "--invocations",
        type=positive,
        help="requests a minute that one machine should get; measure what it can take",
    )


def wanted_scaling(arguments: argparse.Namespace) -> Scaling | None:
    """What `add_scaling` has read; None for a fixed number of machines.

    Raises:
        CloudError: the numbers make no sense together.
    """
    most, least = arguments.max_instances, arguments.min_instances or arguments.instances
    flags = ("max_instances", "min_instances", "invocations")
    given = [f"--{name.replace('_', '-')}" for name in flags if getattr(arguments, name)]
    if not given:
        return None
    if arguments.serverless:
        raise CloudError(f"serverless scales by itself: leave out {' and '.join(given)}")
    if most is None:
        raise CloudError(
            f"{given[0]} needs --max-instances: without it, the number of machines is not scaled"
        )
    if arguments.invocations is None:
        raise CloudError("--max-instances needs --invocations, which says when to scale")
    if least > most:
        raise CloudError(f"--max-instances {most} is less than the {least} that there are at least")
    return Scaling(least, most, float(arguments.invocations))


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Declare --dry-run."""
    parser.add_argument(
        "--dry-run", action="store_true", help="print the requests and change nothing"
    )


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Declare --yes."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def add_timeout(parser: argparse.ArgumentParser, minutes: int, more: str = "") -> None:
    """Declare --timeout; `more` says what `update_timeout` adds to the minutes."""
    parser.add_argument(
        "--timeout",
        type=positive,
        default=None if more else minutes,
        metavar="MINUTES",
        help=f"how long to wait (default: {minutes}{more})",
    )


def add_update_timeout(parser: argparse.ArgumentParser) -> None:
    """Declare --timeout of an update."""
    add_timeout(parser, UPDATE_MINUTES, ", and twice the --canary-minutes")


def update_timeout(arguments: argparse.Namespace) -> int:
    """What `add_update_timeout` has read, in seconds.

    The old machines stay for as long again as the canary takes.
    """
    minutes = arguments.timeout or UPDATE_MINUTES + 2 * arguments.canary_minutes
    return int(minutes * 60)


def add_alarms(parser: argparse.ArgumentParser) -> None:
    """Declare when the alarms go off."""
    default = Limits()
    parser.add_argument(
        "--alarm-errors",
        type=share,
        default=default.error_share,
        metavar="SHARE",
        help="of requests with 5xx, from which on the alarm is on (default %(default)s)",
    )
    parser.add_argument(
        "--alarm-latency",
        type=number(float, 1, LONGEST_MS),
        default=default.latency_ms,
        metavar="MS",
        help="that 95 %% of requests are to stay under (default %(default)s)",
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
        metavar=f"{LEAST_MINUTES}..60",
        default=default.wait_seconds // 60,
        help="how long the alarms watch it (default %(default)s)",
    )
    parser.add_argument(
        "--at-once", action="store_true", help="no canary and no alarms: for an emergency"
    )


def canary_of(arguments: argparse.Namespace) -> Canary | None:
    """What `add_canary` has read; None for all at once.

    Raises:
        CloudError: it may be over before an alarm goes off.
    """
    if arguments.at_once:
        return None
    if arguments.canary_minutes < LEAST_MINUTES:
        raise CloudError(
            f"--canary-minutes {arguments.canary_minutes} may be over before an alarm goes off, "
            f"which takes up to {LEAST_MINUTES} minutes: give {LEAST_MINUTES} or more, or --at-once"
        )
    return Canary(arguments.canary_percent, arguments.canary_minutes * 60)
