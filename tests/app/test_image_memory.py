"""How much memory decoding a photo takes, outside of Python's own too."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PROGRAM = r"""
import re, sys
from pathlib import Path
from app.images import decode

def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

data = Path(sys.argv[1]).read_bytes()
before = peak()
decode(data)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_webp_is_held_three_times_at_most(mode: str, tmp_path: Path) -> None:
    """Twice by its decoder; a few bytes are a photo of the largest size."""
    size = (6000, 4000)
    path = tmp_path / "large.webp"
    Image.new(mode, size, "navy").save(path, lossless=True)
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(told.stdout) < 3.5 * 4 * size[0] * size[1]
