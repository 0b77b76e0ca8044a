"""`cloud label`: transform jobs of the stand-in post the photos to the real container."""

from __future__ import annotations

import json
import re
import time

import pytest
from PIL import Image

from tests.app.conftest import encode, photo
from tests.integration.endpoints.conftest import Cloud, shown
from tests.training.cloud.terminal import Terminal

pytestmark = pytest.mark.aws


PHOTOS, OUT = "s3://shop/photos", "s3://shop/labels"


@pytest.fixture
def photos(cloud: Cloud) -> dict[str, bytes]:
    """Five photos and what else lies about, in a bucket beside a deployed endpoint."""
    assert cloud.deploy("1")[0] == 0
    files = {
        f"{n}.png": encode(Image.new("RGB", (60, 60), (40 * n, 90, 30)), "PNG") for n in (1, 2)
    }
    files |= {"shoes/1.png": encode(photo(), "PNG"), "shoes/3.jpg": encode(photo(300, 200), "JPEG")}
    files["damaged.jpg"] = encode(photo(), "JPEG")[:500]
    s3 = cloud.aws.client("s3")
    for name, body in {**files, "shoes/": b""}.items():
        s3.put_object(Bucket="shop", Key=f"photos/{name}", Body=body)
    return files


def lines(text: str | bytes) -> dict[str, dict]:
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["file"]: row for row in rows}


def jobs(cloud: Cloud) -> list[dict]:
    sagemaker = cloud.aws.client("sagemaker")
    listed = sagemaker.list_transform_jobs()["TransformJobSummaries"]
    names = [one["TransformJobName"] for one in listed]
    return [sagemaker.describe_transform_job(TransformJobName=name) for name in names]


def sent(cloud: Cloud, job: dict) -> list[str]:
    """The photos of a job."""
    url = job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    bucket, _, key = url.removeprefix("s3://").partition("/")
    body = cloud.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert json.loads(body)[0] == {"prefix": f"{PHOTOS}/"}
    return sorted(json.loads(body)[1:])


def test_label_everything_and_again(cloud, photos, tmp_path):
    cloud.plan(looks=2)
    output = tmp_path / "labels.part"
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments", "--yes"]
    arguments += ["--output", str(output)]
    status, out, err = cloud.run(*arguments)

    assert (status, err) == (0, "")
    assert "InProgress" in out
    rows = lines(output.read_text())
    assert sorted(rows) == sorted(photos)
    assert rows["damaged.jpg"]["code"] == "corrupt_image"
    labelled = [row for row in rows.values() if "label" in row]
    assert all(row["model"]["sha256"] == cloud.artifact.sha256 for row in labelled)
    counted = re.findall(r"^(\S.*\S) {2,}(\d+) {2,}(\d+)$", out, re.MULTILINE)
    review = sum(row["needs_review"] for row in labelled)
    assert counted[-1] == ("all", "4", str(review))
    assert sum(int(photos) for _, photos, _ in counted[:-1]) == 4
    assert "without a label: 1 (corrupt_image)" in out
    [job] = jobs(cloud)
    assert job["ModelName"].startswith("garments-1-2-3-")
    assert job["TransformResources"] == {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1}

    first = output.read_text()
    status, out, _ = cloud.run(*arguments)
    assert status == 0
    assert "has done this already" in out
    assert output.read_text() == first
    assert len(jobs(cloud)) == 1

    status, out, _ = cloud.run(*arguments, "--again")
    assert status == 0
    assert len(jobs(cloud)) == 2
    assert sent(cloud, jobs(cloud)[1]) == sorted(photos)


def test_a_new_photo_is_another_job(cloud, photos):
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments", "--yes"]
    arguments += ["--output", f"{OUT}/all.jsonl"]
    assert cloud.run(*arguments)[0] == 0
    s3 = cloud.aws.client("s3")
    s3.put_object(Bucket="shop", Key="photos/new.png", Body=photos["1.png"])
    assert cloud.run(*arguments)[0] == 0
    assert len(jobs(cloud)) == 2
    body = s3.get_object(Bucket="shop", Key="labels/all.jsonl")["Body"].read()
    assert sorted(lines(body)) == sorted([*photos, "new.png"])


def test_after_a_failure_only_the_rest_is_sent(cloud, photos, tmp_path):
    large = b"0" * (10 * 1024**2 + 1)
    for name, body in (("large.png", large), ("empty.png", b""), ("folder/", b"")):
        cloud.aws.client("s3").put_object(Bucket="shop", Key=f"photos/{name}", Body=body)
    cloud.plan(lost="2.png", reason="InternalServerError: a machine was lost.")
    output = tmp_path / "labels.jsonl"
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments", "--yes"]
    arguments += ["--output", str(output)]
    status, out, _ = cloud.run(*arguments)

    assert status == 1
    assert "7 photos, 2 of them empty or too large" in out
    assert "is Failed. AWS says: InternalServerError: a machine was lost." in out
    assert "without a label: 1 (no_answer)" in out
    assert "Run the same command again" in out
    rows = lines(output.read_text())
    assert rows["2.png"]["code"] == "no_answer"
    assert rows["large.png"]["code"] == "body_too_large"
    assert rows["empty.png"]["code"] == "empty_body"
    assert sent(cloud, jobs(cloud)[0]) == sorted(photos)

    cloud.plan()
    status, out, _ = cloud.run(*arguments)
    assert status == 0
    assert "is Failed; 1 photos have no answer yet" in out
    assert sent(cloud, jobs(cloud)[1]) == ["2.png"]
    assert "label" in lines(output.read_text())["2.png"]
    assert sorted(lines(output.read_text())) == sorted([*photos, "large.png", "empty.png"])

    assert cloud.run(*arguments)[0] == 0
    assert len(jobs(cloud)) == 2


def answered(out: str) -> list[int]:
    """How many of the five photos were told to be answered, one after the other."""
    return [int(count) for count in re.findall(r"InProgress, (\d) of 5 photos answered", out)]


def test_a_running_job_is_followed_and_tells_how_far_it_is(cloud, photos, monkeypatch, tmp_path):
    output = str(tmp_path / "labels.jsonl")
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments", "--yes", "--output", output]
    cloud.plan(looks=5)
    with monkeypatch.context() as patched:
        patched.setattr("training.cloud.waiting.sleep", _interrupt)
        status, out, err = cloud.run(*arguments)
    assert (status, err) == (130, "")
    assert "goes on and costs money; to watch it again: the same command" in out
    assert answered(out) == [0]
    status, out, _ = cloud.run(*arguments)
    assert status == 0
    assert "is running already" in out
    counts = answered(out)
    assert counts == [2, 3, 4]  # the last one is there when the job is over
    assert len(jobs(cloud)) == 1

    # Once more: the answers from before are none of the new job's. S3 tells whole seconds.
    time.sleep(3)
    status, out, _ = cloud.run(*arguments, "--again")
    assert status == 0
    assert answered(out)[0] == 0


def test_ctrl_c_stops_the_job_when_the_user_says_so(cloud, photos, monkeypatch, tmp_path):
    output = tmp_path / "labels.jsonl"
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments", "--yes", "--output", str(output)]
    cloud.plan(looks=10)
    with monkeypatch.context() as patched:
        patched.setattr("training.cloud.waiting.sleep", _interrupt_once())
        patched.setattr("sys.stdin", Terminal("y\n"))
        status, out, err = cloud.run(*arguments)

    assert (status, err) == (1, "")
    [job] = jobs(cloud)
    assert job["TransformJobStatus"] == "Stopped"
    name = job["TransformJobName"]
    assert f"Stop {name}? While it runs it costs money. Of a job that is stopped, AWS prom" in out
    assert f"{name} is Stopped. AWS says: no reason" in out
    assert "Run the same command again to label what has no answer" in out
    left = [name for name, row in lines(output.read_text()).items() if "no_answer" in str(row)]
    assert left

    cloud.plan()
    assert cloud.run(*arguments)[0] == 0
    assert sent(cloud, jobs(cloud)[1]) == sorted(left)


def test_a_labelling_that_takes_too_long_is_taken_up_again(cloud, photos, monkeypatch):
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments", "--yes", "--timeout", "1"]
    cloud.plan(looks=10_000)
    monkeypatch.setattr("training.cloud.waiting.sleep", lambda _: None)
    clock = iter(range(0, 1000, 50))
    monkeypatch.setattr("training.cloud.waiting.monotonic", lambda: next(clock))
    status, _, err = cloud.run(*arguments)
    assert status == 2
    assert "not done after 1:40. It goes on; to watch it again: the same command" in err


def test_a_labelling_asks_first(cloud, photos, monkeypatch):
    arguments = ["label", PHOTOS, OUT, "--endpoint", "garments"]
    status, _, err = cloud.run(*arguments)
    assert (status, "give --yes" in err) == (2, True)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    status, out, _ = cloud.run(*arguments)
    assert status == 1
    assert "costs, while it runs: 1 x ml.c5.xlarge by the hour" in out
    assert "Label 5 photos? [y/N] nothing was started" in out
    assert jobs(cloud) == []


def _interrupt(_: float) -> None:
    raise KeyboardInterrupt


def _interrupt_once():
    """The first wait is interrupted, no later one."""
    waits = iter([KeyboardInterrupt])

    def sleep(_: float) -> None:
        for error in waits:
            raise error

    return sleep


def test_a_dry_run_starts_nothing(cloud, photos):
    status, out, _ = cloud.run("label", PHOTOS, OUT, "--endpoint", "garments", "--dry-run")
    assert (status, shown(out)) == (0, ["PutObject", "CreateTransformJob"])
    assert jobs(cloud) == []
    listed = cloud.aws.client("s3").list_objects_v2(Bucket="shop", Prefix="labels/")
    assert listed["KeyCount"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([PHOTOS, OUT, "--model-name", "none"], "there is no model none"),
        ([PHOTOS, OUT, "--endpoint", "none"], "there is no endpoint none"),
        (["s3://shop/none", OUT, "--endpoint", "garments"], "holds no photos"),
        (["s3://none/photos", OUT, "--endpoint", "garments"], "there is no such bucket"),
        (["photos", OUT, "--endpoint", "garments"], "is no S3 address"),
    ],
)
def test_refusals_in_plain_words(cloud, photos, arguments, said):
    status, _, err = cloud.run("label", *arguments)
    assert status == 2
    assert said in err
