"""The training backend of garment-classifier.

python -m training prepare /usr/share/datasets/fashion-mnist --output data/fashion-mnist --pack
python -m training explore data/fashion-mnist
python -m training train --data data/fashion-mnist --output runs/first
python -m training evaluate runs/first/model.pt --data data/fashion-mnist
python -m training publish runs/first/model.pt s3://my-bucket/garments
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
import warnings
from pathlib import Path

from app.artifact import ArtifactError
from training.errors import TrainingError

COMMANDS = ("prepare", "explore", "train", "evaluate", "compare", "export", "publish")


def _docstring(command: str) -> str:
    """A command's module docstring, read without importing torch and the like."""
    source = Path(__file__).with_name(f"{command}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m training", description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        text = _docstring(name)
        command = commands.add_parser(
            name, help=text.splitlines()[0], description=text, formatter_class=raw
        )
        if name == chosen:  # only this command's libraries are loaded
            importlib.import_module(f"training.{name}").add_arguments(command)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status, 2 for a mistake of the user."""
    # TorchScript is deprecated upstream; the artifact's format stays until Python 3.14.
    warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser(argv[0] if argv else None).parse_args(argv)
    command = importlib.import_module(f"training.{arguments.command}")
    try:
        return int(command.run(arguments))
    except (TrainingError, ArtifactError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
