"""The commands of the policies' README, typed as they stand there, and whether IAM takes it all."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.training.cloud.strict import check_request

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path("training/cloud/policies")
TYPED = re.findall(r"^    (.*)$", (ROOT / FOLDER / "README.md").read_text(), re.MULTILINE)

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: characters that are
# no white space. All policies that are written into one user or role count together.
MANAGED, IN_A_USER, IN_A_ROLE, TRUST = 6144, 2048, 10240, 2048
LONGEST = {
    "BUCKET": "b" * 63,
    "ACCOUNT": "1" * 12,
    "REGION": "ap-southeast-1",
    "NAME": "n" * 40,
}

Call = tuple[str, dict[str, str]]


def size(policy: str) -> int:
    return len(re.sub(r"\s", "", policy))


@pytest.fixture
def calls(tmp_path: Path) -> list[Call]:
    """What the README's commands ask `aws` for, with the files' texts as they send them."""
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    fake = tmp_path / "bin/aws"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(tmp_path / "asked"))}\n')
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    script = "\n".join(["set -e", *TYPED])
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env={"PATH": path}, check=True)
    changed = [
        one.name
        for one in (tmp_path / FOLDER).iterdir()
        if one.read_bytes() != (ROOT / FOLDER / one.name).read_bytes()
    ]
    assert changed == [], "git's own files"
    return [asked(line, tmp_path) for line in (tmp_path / "asked").read_text().splitlines()]


def asked(line: str, folder: Path) -> Call:
    """The operation and its parameters, as the API has them."""
    service, operation, *options = line.split()
    assert service == "iam"
    parameters = {}
    for name, value in zip(options[::2], options[1::2], strict=True):
        if value.startswith("file://"):
            value = (folder / value.removeprefix("file://")).read_text()
        parameters[in_the_api(name)] = value
    return in_the_api(operation), parameters


def in_the_api(name: str) -> str:
    return "".join(word.title() for word in name.strip("-").split("-"))


def test_iam_takes_what_the_readme_says_to_type(calls: list[Call]) -> None:
    for operation, parameters in calls:
        check_request("iam", operation, parameters)


def test_every_policy_is_given_to_somebody_with_all_names_filled_in(calls: list[Call]) -> None:
    given = [text for _, call in calls for name, text in call.items() if name.endswith("Document")]
    left = re.compile("|".join(LONGEST))
    assert [left.findall(text) for text in given if left.search(text)] == []
    copies = [json.loads(text) for text in given]
    for path in (ROOT / FOLDER).glob("*.json"):
        sids = [one.get("Sid") for one in json.loads(path.read_text())["Statement"]]
        assert sids in [[one.get("Sid") for one in copy["Statement"]] for copy in copies], path.name


def test_a_user_gets_the_policies_that_are_made(calls: list[Call]) -> None:
    made = {call["PolicyName"] for operation, call in calls if operation == "CreatePolicy"}
    arns = {call["PolicyArn"] for operation, call in calls if operation == "AttachUserPolicy"}
    assert arns == {f"arn:aws:iam::123456789012:policy/{name}" for name in made}
    assert made == {"launch-training", "publish-release", "launch-endpoint"}


def test_no_policy_is_larger_than_iam_takes_it_there() -> None:
    """With the longest names: `file://.../FILE` by the operation that sends it."""
    limits = {
        "create-policy": MANAGED,
        "put-user-policy": IN_A_USER,
        "put-role-policy": IN_A_ROLE,
        "create-role": TRUST,
    }
    sizes: dict[tuple[str, str], int] = {}
    for line in [line for line in TYPED if "file://" in line]:
        _, _, operation, _, name, *_ = line.split()
        text = (ROOT / FOLDER / line.rpartition("/")[2]).read_text()
        for short, long in LONGEST.items():
            text = text.replace(short, long)
        # By the name of the user, the role or the policy, which the first option gives.
        sizes[operation, name] = sizes.get((operation, name), 0) + size(text)
    assert len(sizes) == 9
    assert {one: found for one, found in sizes.items() if found > limits[one[0]]} == {}
