"""The command line of the comparison."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from environments import ROOT, default_folder
from measure import CONNECTIONS, FEW
from payloads import PAYLOADS

SERVERS = ("ours", "litserve", "tutorial", "tuned")

_QUICK = {
    "payloads": ["catalogue", "photo", "large"],
    "connections": [1, 32],
    "rounds": 1,
    "seconds": 1.0,
    "open_seconds": 3.0,
}
_WHOLE = {
    "payloads": list(PAYLOADS),
    "connections": list(CONNECTIONS),
    "rounds": 3,
    "seconds": 1.5,
    "open_seconds": 4.0,
}


def parsed(description: str | None) -> argparse.Namespace:
    """The command line's options, with the defaults of a whole run or of a quick one."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one round of fewer and shorter measurements")
    add("--servers", type=_names(SERVERS), default=list(SERVERS), help=f"of {','.join(SERVERS)}")
    add(
        *("--ours", "-o"),
        type=_variant,
        action="append",
        default=[],
        metavar="NAME=GARMENT_...=VALUE,...",
        help="one more of ours, with other settings; may be repeated",
    )
    add("--payloads", type=_names(tuple(PAYLOADS)), help=f"of {','.join(PAYLOADS)}")
    add("--connections", type=_numbers, help="for each payload, such as 1,8,32")
    add("--rounds", type=int, help=f"default: {_WHOLE['rounds']}")
    add("--seconds", type=float, help=f"of each measurement (default: {_WHOLE['seconds']})")
    add("--open-seconds", type=float, help="of each with random arrivals (default: 4; 0: none)")
    add("--raw", action="store_true", help="post the photo as the body, which only ours takes")
    add("--photos", type=Path, help="folder of real photos, in folders called as the payloads")
    add("--no-alone", action="store_true", help="without start-up and memory")
    add("--no-limits", action="store_true", help="without the limits")
    add("--output", type=Path, default=ROOT / "build" / "bench", help="default: build/bench")
    add("--environments", type=Path, default=default_folder(), help="default: %(default)s")
    add("--report", type=Path, metavar="RESULTS", help="only the report of an earlier run's file")
    arguments = parser.parse_args()
    arguments.few = {} if arguments.connections else FEW
    for name, value in (_QUICK if arguments.quick else _WHOLE).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def _names(allowed: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Reads names separated by commas, of those allowed."""

    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(allowed):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not of {', '.join(allowed)}")
        return chosen

    return names


def _variant(text: str) -> tuple[str, dict[str, str]]:
    """Reads `NAME=VARIABLE=VALUE,VARIABLE=VALUE`."""
    name, _, settings = text.partition("=")
    pairs = [one.partition("=") for one in settings.split(",")]
    if not all(key.startswith("GARMENT_") and value for key, _, value in pairs):
        raise argparse.ArgumentTypeError(f"{text}: not NAME=GARMENT_...=VALUE,...")
    return name, {key: value for key, _, value in pairs}


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]
