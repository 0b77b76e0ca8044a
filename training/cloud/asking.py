"""Asking the user before something costs money or is deleted."""

from __future__ import annotations

import sys

from training.errors import CloudError


def ask(question: str) -> bool:
    """Whether the user says yes; Ctrl-C and the end of the input are a no.

    Raises:
        CloudError: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise CloudError(f"{question} There is no terminal to ask at: give --yes")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        print()
        return False
