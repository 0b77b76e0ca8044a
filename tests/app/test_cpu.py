import os
from pathlib import Path

import pytest

from app.cpu import available_cores, instructions


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("200000 100000", 2), ("250000 100000", 3), ("5000 100000", 1), ("max 100000", 8)],
)
def test_cgroup_2(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert available_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", 8), ("9900000", 8)])
def test_cgroup_1(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path) == cores


@pytest.mark.parametrize(
    "told",
    ["0::/service.slice/garments.service", "12:cpu,cpuacct:/pods/one\n11:memory:/else\n"],
)
def test_limits_of_the_groups_above_hold_too(tmp_path: Path, told: str) -> None:
    """The process's own has no limit, the one above it has."""
    (tmp_path / "own").write_text(told)
    unified, first = tmp_path / "service.slice", tmp_path / "cpu/pods"
    for group in (unified / "garments.service", first / "one"):
        group.mkdir(parents=True)
    if told.startswith("0"):
        (unified / "garments.service/cpu.max").write_text("max 100000\n")
        (unified / "cpu.max").write_text("200000 100000\n")
    else:
        (first / "one/cpu.cfs_quota_us").write_text("-1\n")
        (first / "one/cpu.cfs_period_us").write_text("100000\n")
        (first / "cpu.cfs_quota_us").write_text("200000\n")
        (first / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cores(tmp_path, tmp_path / "own") == 2


def test_no_cgroup(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == 8


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("flags\t\t: fpu avx512_vnni avx512_bf16", {"fpu", "avx512_vnni", "avx512_bf16"}),
        ("Features\t: fp asimd", set()),
    ],
)
def test_instruction_sets(tmp_path: Path, flags: str, found: set[str]) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{flags}\n\nprocessor\t: 1\n{flags}\n")
    assert instructions(tmp_path / "cpuinfo") == found


def test_no_instruction_sets_are_known_where_linux_is_not(tmp_path: Path) -> None:
    assert instructions(tmp_path / "absent") == frozenset()
