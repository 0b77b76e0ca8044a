"""Memory as the service's process gets it from glibc."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from app.allocator import TUNABLES

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's")

PROGRAM = """
import ctypes, os
from app.allocator import start_with_tunables

start_with_tunables()

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo2

def given_by_the_system(size):
    before = mallinfo2().hblkhd
    large = bytearray(size)
    return mallinfo2().hblkhd - before >= size

given_by_the_system(20 * 2**20)  # glibc alone would keep as much from now on
print(os.getpid(), os.environ["GLIBC_TUNABLES"])
print(given_by_the_system(3 * 2**20), given_by_the_system(5 * 2**20))
"""


def run(**environment: str) -> tuple[str, list[str]]:
    inherited = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=inherited | environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = process.communicate(timeout=60)[0].splitlines()
        assert process.returncode == 0
        return str(process.pid), lines


def test_large_pieces_come_from_the_system_and_go_back_to_it() -> None:
    number, lines = run()
    assert lines == [f"{number} {TUNABLES}", "False True"]


def test_what_an_operator_has_set_stays() -> None:
    number, lines = run(GLIBC_TUNABLES="glibc.malloc.arena_max=2")
    assert lines == [f"{number} glibc.malloc.arena_max=2", "False False"]
