"""What has to hold for every service of docker-compose.yml, without an engine."""

from __future__ import annotations

import itertools
import re
import shlex

import pytest
import yaml

from tests.docker.observe import ROOT

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_no_log_fills_the_disk(name: str) -> None:
    """Docker's default keeps everything, and no other driver's files are for others to read."""
    logging = SERVICES[name]["logging"]
    assert logging["driver"] == "json-file"
    assert logging["options"].keys() == {"max-size", "max-file"}


def test_the_readmes_container_keeps_as_much_of_its_log() -> None:
    [line] = re.findall(r"^docker run (--rm --read-only .*) garment-classifier$", README, re.M)
    words = shlex.split(line)
    given = [after for word, after in itertools.pairwise(words) if word == "--log-opt"]
    options = SERVICES["service"]["logging"]["options"]
    assert dict(option.split("=") for option in given) == options
