"""The project holds together: targets, locked versions, and who may import whom."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
MODULES = {
    package: sorted((ROOT / package).rglob("*.py"), key=str) for package in ("app", "training")
}


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make as a user would, not as a child of the `make test` that runs this."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def requirements(*extras: str) -> dict[str, Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in parsed if one.name != PROJECT["name"]}


def locked() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    names = [canonicalize_name(one.name) for one in parsed]
    assert len(names) == len(set(names)), "one version of each, on every Python"
    return dict(zip(names, parsed, strict=True))


def imports(path: Path, *, lazy: bool = True) -> Iterator[str]:
    """The modules that a file imports when it runs; without `lazy`, when it is imported."""

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides what is imported"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                yield from visit(child)
        elif lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for child in ast.iter_child_nodes(node):
                yield from visit(child)

    return visit(ast.parse(path.read_text()))


def imported_modules(package: str) -> set[str]:
    return {name for path in MODULES[package] for name in imports(path)}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the Makefile beside a .venv that is up to date for the service and the tests."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1000, 1000))
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, time in (("bin/python", 500), (".installed-service", 2000), (".installed-dev", 2000)):
        (tmp_path / ".venv" / name).touch()
        os.utime(tmp_path / ".venv" / name, (time, time))
    return tmp_path


def test_make_alone_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    listed = re.findall(r"^make (\S+) +\S.*$", make(ROOT).stdout, re.MULTILINE)
    assert sorted(listed) == sorted(phony[1].split())


@pytest.mark.parametrize("target", ["serve", "test"])
def test_second_start_installs_nothing(installed: Path, target: str) -> None:
    assert "docker/install.py" not in make(installed, "--dry-run", target).stdout


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt"])
@pytest.mark.parametrize(
    ("target", "what"), [("serve", "--editable .\n"), ("test", "--editable '.[dev]'\n")]
)
def test_changed_dependencies_are_installed(
    installed: Path, target: str, what: str, changed: str
) -> None:
    os.utime(installed / changed, (3000, 3000))
    assert f"docker/install.py {what}" in make(installed, "--dry-run", target).stdout


def test_serve_names_the_page_and_a_curl_with_an_image_that_is_there(installed: Path) -> None:
    shown = make(installed, "--dry-run", "serve", "PORT=9000").stdout
    assert "http://127.0.0.1:9000/" in shown
    image = re.search(r"curl -F file=@(\S+) http://127\.0\.0\.1:9000/predict", shown)
    assert image
    assert (ROOT / image[1]).is_file()


def test_missing_python_is_explained(installed: Path) -> None:
    shutil.rmtree(installed / ".venv")
    answer = make(installed, "serve", "PYTHON=python-of-nowhere")
    assert answer.returncode == 2
    assert "python-of-nowhere: not found" in answer.stderr
    assert "apt install python3-venv" in answer.stderr
    assert not (installed / ".venv").exists()


def test_every_dependency_is_locked_to_a_version_that_is_allowed() -> None:
    lock = locked()
    for name, requirement in requirements(*EXTRAS).items():
        assert name in lock, f"{name}: run `make lock`"
        [pin] = lock[name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{requirement}: run `make lock`"


def test_lock_holds_nothing_but_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.match(r"[a-z0-9-]+==[0-9][\w.]*( ; .*)?$", line)] == []
    assert [line for line in pins if re.match("nvidia|cuda|triton", line)] == []


@pytest.mark.parametrize(
    ("package", "extras"), [("app", []), ("training", ["training", "sagemaker"])]
)
def test_what_is_imported_is_declared(package: str, extras: list[str]) -> None:
    declared = requirements(*extras)
    known = packages_distributions()
    for module in imported_modules(package):
        top = module.split(".")[0]
        if top not in sys.stdlib_module_names and top not in MODULES:
            distributions = {canonicalize_name(name) for name in known.get(top, [top])}
            # Some come in parts that share a name: sagemaker is sagemaker-core, -train and so on.
            names = {*distributions, *(name.split("-")[0] for name in distributions)}
            assert names & declared.keys(), f"{package} imports {module}"


def test_the_images_have_the_version_of_the_package() -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    labels = re.findall(r"^ARG VERSION=(\S+)$", dockerfile, re.MULTILINE)
    assert set(labels) == {PROJECT["version"]}


def test_app_never_imports_training() -> None:
    assert {name for name in imported_modules("app") if name.split(".")[0] == "training"} == set()


def test_training_imports_of_app_only_the_contract_and_the_images() -> None:
    of_app = {name for name in imported_modules("training") if name.split(".")[0] == "app"}
    assert of_app, "the packages share the artifact's contract"
    # The errors are those that decoding raises.
    allowed = re.compile(r"app\.(artifact|card|release|images|trimming|upright|errors)(\.|$)")
    assert {name for name in of_app if not allowed.match(name)} == set()


def test_of_training_only_cloud_itself_imports_cloud() -> None:
    others = [path for path in MODULES["training"] if "cloud" not in path.parts]
    of_cloud = {name for path in others for name in imports(path) if "training.cloud" in name}
    assert of_cloud == set()


def test_torch_is_imported_in_app_only_where_it_runs() -> None:
    with_torch = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES["app"]
        for name in imports(path, lazy=path.name != "artifact.py")
        if name.split(".")[0] == "torch"
    }
    elsewhere = {path for path in with_torch if not path.startswith("app/engines/")}
    assert elsewhere <= {"app/predictors/local.py"}
