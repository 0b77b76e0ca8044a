"""Print what pyproject.toml requires, a line each, without building the project.

For a layer of packages that stays while the code changes:

    python docker/requirements.py --extra training
    python docker/requirements.py --without torch
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[], help="also this extra's")
    parser.add_argument("--without", action="append", default=[], help="but not this package")
    arguments = parser.parse_args()
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in arguments.extra:
        lines += project["optional-dependencies"][extra]
    for line in lines:
        if re.split(r"[^\w.-]", line, maxsplit=1)[0] not in arguments.without:
            print(line)


if __name__ == "__main__":
    main()
