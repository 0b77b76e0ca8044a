"""The command line of the benchmarks that run an artifact on prepared data."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.settings import BUNDLED_MODEL


def parsed(description: str | None) -> argparse.Namespace:
    """`data` and `model` are paths, `split` the name of one."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path, help="prepared data")
    parser.add_argument("--split", default="test", help="default: test")
    parser.add_argument(
        "--model", type=Path, default=BUNDLED_MODEL, help="default: the bundled one"
    )
    return parser.parse_args()
