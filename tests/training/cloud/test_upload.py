"""Uploading: what goes, what is skipped, what goes on, what is told."""

import base64
import hashlib
import json
import os
import re

import boto3
import pytest

from tests.training.cloud.strict import check_request
from training.cloud import parts
from training.cloud.buckets import location, stored
from training.cloud.upload import plan, upload

DESTINATION = "s3://shop/data/fashion-mnist"


def keys(s3) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="shop").get("Contents", [])
    return {
        item["Key"]: s3.get_object(Bucket="shop", Key=item["Key"])["Body"].read() for item in found
    }


def requests(said: str) -> list[tuple[str, dict]]:
    """What a dry run has printed."""
    shown = re.findall(r"^s3 ([A-Z]\w+)\n(\{\n.*?\n\})$", said, re.DOTALL | re.MULTILINE)
    return [(operation, json.loads(text)) for operation, text in shown]


def calls(s3, operation: str) -> list[dict]:
    """Is filled with the parameters of each such call from now on."""
    seen: list[dict] = []
    s3.meta.events.register(
        f"provide-client-params.s3.{operation}", lambda params, **_: seen.append(dict(params))
    )
    return seen


def test_a_folder_arrives_and_a_second_upload_sends_nothing(s3, cloud, data):
    (data / ".DS_Store").write_text("no data")
    tree = data / "test" / "Coat"
    tree.mkdir(parents=True)
    (tree / "1.png").write_bytes(b"png")

    status, said, _ = cloud("upload", data, DESTINATION)

    assert status == 0
    assert "4 files uploaded and verified (1,005 bytes), 0 were there already" in said
    assert keys(s3) == {
        f"data/fashion-mnist/{name}": (data / name).read_bytes()
        for name in ("train.zip", "valid.zip", "prepared.json", "test/Coat/1.png")
    }
    _, said, _ = cloud("upload", data, DESTINATION)
    assert "0 files uploaded and verified (0 bytes), 4 were there already" in said


def test_only_what_changed_is_sent_even_if_its_size_is_the_same(s3, cloud, data):
    cloud("upload", data, DESTINATION)
    (data / "train.zip").write_bytes(b"other" * 100)

    _, said, _ = cloud("upload", data, DESTINATION)

    assert "1 files uploaded and verified (500 bytes), 2 were there already" in said
    assert keys(s3)["data/fashion-mnist/train.zip"] == b"other" * 100


def test_a_dry_run_writes_nothing(s3, cloud, data):
    status, said, _ = cloud("upload", data / "train.zip", "s3://shop/data", "--dry-run")
    assert status == 0
    [(operation, request)] = requests(said)
    digest = hashlib.sha256(b"train" * 100)
    assert operation == "PutObject"
    assert request == {
        "Bucket": "shop",
        "Key": "data/train.zip",
        "Metadata": {"sha256": digest.hexdigest()},
        "ChecksumSHA256": base64.b64encode(digest.digest()).decode(),
        "Body": f"{data / 'train.zip'}, 500 bytes",
    }
    assert said.endswith(
        "s3://shop/data: 1 files would be uploaded (500 bytes), 0 are there already\n"
    )
    assert keys(s3) == {}

    puts = calls(s3, "PutObject")
    upload(s3, plan(data / "train.zip", location("s3://shop/data"), [])[0], 1)
    assert puts == [{**request, "Body": b"train" * 100}], "what was shown is what is sent"
    _, said, _ = cloud("upload", data, "s3://shop/data", "--dry-run")
    assert "is there already: s3://shop/data/train.zip" in said
    assert {one["Key"] for _, one in requests(said)} == {"data/valid.zip", "data/prepared.json"}


def test_a_dry_run_of_a_large_file_shows_how_it_begins(s3, cloud, large):
    begun = calls(s3, "CreateMultipartUpload")
    _, said, _ = cloud("upload", large, "s3://shop", "--dry-run")
    assert "and then s3 UploadPart, 3 times, and CompleteMultipartUpload" in said
    upload(s3, plan(large, location("s3://shop"), [])[0], 1)
    assert requests(said) == [("CreateMultipartUpload", begun[0])]


def test_a_dry_run_needs_no_aws(cloud, data, monkeypatch):
    """No region and no keys: as if nothing were there, and it says so."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    status, said, err = cloud("upload", data, DESTINATION, "--dry-run")
    assert (status, err) == (0, "")
    assert said.startswith("AWS cannot be asked: no region")
    assert len(requests(said)) == 3
    for operation, request in requests(said):
        check_request("s3", operation, request)


def test_objects_that_are_not_of_the_data_are_told_and_kept(s3, cloud, data):
    s3.put_object(Bucket="shop", Key="data/fashion-mnist/old.zip", Body=b"old")

    _, said, _ = cloud("upload", data, DESTINATION)

    assert "1 objects below s3://shop/data/fashion-mnist are not in" in said
    assert "data/fashion-mnist/old.zip" in keys(s3)


@pytest.fixture
def large(tmp_path):
    """A file of three parts, the last a short one."""
    path = tmp_path / "large.zip"
    path.write_bytes(os.urandom(2 * parts.PART_BYTES + 1000))
    return path


def test_an_interrupted_file_goes_on_with_the_parts_that_are_there(s3, large):
    where = location("s3://shop/large.zip")
    sha256 = hashlib.sha256(large.read_bytes()).hexdigest()

    def interrupt(size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.put(s3, large, where, sha256, interrupt)
    sent = calls(s3, "UploadPart")
    files, _ = plan(large, location("s3://shop"), stored(s3, location("s3://shop")))
    assert upload(s3, files, 2) == files

    assert [part["PartNumber"] for part in sent] == [2, 3]
    assert keys(s3)["large.zip"] == large.read_bytes()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="shop")


def test_parts_of_an_older_file_do_not_make_it_wrong(s3, large):
    where = location("s3://shop/large.zip")
    _, older = parts.first_request(where, large.stat().st_size, "0" * 64)
    s3.create_multipart_upload(**older)
    files, _ = plan(large, location("s3://shop"), [])

    assert upload(s3, files, 1) == files

    assert keys(s3)["large.zip"] == large.read_bytes()
    sha256 = hashlib.sha256(large.read_bytes()).hexdigest()
    assert parts.stored_sha256(s3, where) == (large.stat().st_size, sha256)


def test_every_put_tells_s3_the_checksum_to_check(s3, data, large):
    puts, sent = calls(s3, "PutObject"), calls(s3, "UploadPart")
    for path in (data, large):
        files, _ = plan(path, location("s3://shop"), [])
        upload(s3, files, 2)

    assert len(puts) == 3
    assert len(sent) == 3
    assert all("ChecksumSHA256" in call for call in puts + sent)


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("s3://nowhere/data", "looking at s3://nowhere: "),
        ("shop/data", "'shop/data' is no S3 address; write s3://BUCKET/PREFIX"),
        ("s3://elsewhere", "lies in us-west-2, and the region here is eu-west-1: set AWS_REGION"),
    ],
)
def test_a_destination_that_cannot_be_is_told_in_a_line(s3, cloud, data, destination, problem):
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    status, _, told = cloud("upload", data, destination)

    assert status == 2
    assert problem in told
    assert "Traceback" not in told


def test_missing_data_is_told(s3, cloud, tmp_path):
    status, _, told = cloud("upload", tmp_path / "none", DESTINATION)
    assert status == 2
    assert "none does not exist or holds no files" in told
