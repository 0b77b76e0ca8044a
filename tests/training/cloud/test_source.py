"""What is uploaded for a job: enough to train, and little."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from training.cloud.jobs.source import ENTRY_POINT, REQUIREMENTS, write_source

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_it_is_whole_and_runs_alone(tmp_path):
    folder = write_source(tmp_path / "source")
    script = (
        "import runpy, sys\n"
        f"sys.argv = [{str(folder / ENTRY_POINT)!r}, '--help']\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "names = [name for name in sys.modules if name.split('.')[0] in ('app', 'training')]\n"
        "print(*sorted({sys.modules[name].__file__ for name in names}), sep='\\n')\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd="/", capture_output=True, text=True, check=True
    ).stdout
    files = [line for line in said.splitlines() if line.endswith(".py") and line[0] == "/"]
    assert len(files) > 20
    assert all(file.startswith(str(folder)) for file in files)


def test_it_holds_no_model_and_no_cloud(tmp_path):
    files = [path for path in write_source(tmp_path / "source").rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files) < 1_000_000
    names = {path.relative_to(tmp_path / "source").as_posix() for path in files}
    assert not [name for name in names if name.endswith((".pt", ".pyc")) or "cloud" in name]
    assert {"app/artifact.py", ENTRY_POINT, REQUIREMENTS} <= names


def test_the_containers_packages_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["training"]]
    known = {Requirement(line).name: str(Requirement(line)) for line in declared}
    lines = (ROOT / "training/cloud/jobs/container-requirements.txt").read_text().splitlines()
    needed = [Requirement(line) for line in lines if not line.startswith("#")]
    for requirement in needed:
        assert str(requirement) == known[requirement.name]
    assert {"pillow", "pydantic", "tqdm"} <= {requirement.name for requirement in needed}
