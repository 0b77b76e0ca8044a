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
import contextlib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from app.artifact import ArtifactError
from training.configuration import with_config
from training.errors import TrainingError

_RAW = argparse.RawDescriptionHelpFormatter
COMMANDS = ("prepare", "explore", "train", "evaluate", "compare", "export", "publish", "cloud")


def _docstring(module: str) -> str:
    """A command's module docstring, read without importing torch and the like."""
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""


def _add_commands(
    parser: argparse.ArgumentParser, package: str, names: Sequence[str], chosen: Sequence[str]
) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in names:
        module = f"{package}.{name}"
        text = _docstring(module)
        command = commands.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            formatter_class=_RAW,
            allow_abbrev=False,  # `with_config` knows --config by its whole name alone
        )
        command.set_defaults(module=module)
        if list(chosen[:1]) == [name]:  # only this command's libraries are loaded
            loaded = importlib.import_module(module)
            if hasattr(loaded, "COMMANDS"):
                _add_commands(command, module, loaded.COMMANDS, chosen[1:])
            else:
                loaded.add_arguments(command)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training", description=__doc__, formatter_class=_RAW
    )
    _add_commands(parser, "training", COMMANDS, argv)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status, 2 for a mistake of the user."""
    # TorchScript is deprecated upstream; the artifact's format stays until Python 3.14.
    warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
    argv = sys.argv[1:] if argv is None else argv
    try:
        argv = with_config(argv) if argv[:1] == ["train"] else argv
        arguments = _parser(argv).parse_args(argv)
        command = importlib.import_module(arguments.module)
        return int(command.run(arguments))
    except (TrainingError, ArtifactError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a disk that is full or read-only, a file without permission
        reason = error.strerror or str(error) or type(error).__name__
        about = f"{error.filename}: " if error.filename else ""
        print(f"error: {about}{reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        # As if it had not been caught, so that a shell, or `compare`, sees what has ended it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
