from pathlib import Path

import pytest

from app.memory import available_memory

MACHINE = available_memory(Path("/nowhere"))


def test_the_machine_has_what_it_has() -> None:
    assert 2**28 < MACHINE < 2**50


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(
    ("limit", "bytes_"),
    [("536870912", 2**29), ("max", MACHINE), ("9223372036854771712", MACHINE)],
)
def test_a_container_may_have_less(tmp_path: Path, name: str, limit: str, bytes_: int) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / name).write_text(limit + "\n")
    assert available_memory(tmp_path) == bytes_
