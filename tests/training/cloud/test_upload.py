"""Uploading: what goes, what is skipped, what goes on, what is told."""

import hashlib
import os

import boto3
import pytest

from training.cloud import parts
from training.cloud.buckets import location
from training.cloud.upload import plan, upload

DESTINATION = "s3://shop/data/fashion-mnist"


def keys(s3) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="shop").get("Contents", [])
    return {
        item["Key"]: s3.get_object(Bucket="shop", Key=item["Key"])["Body"].read() for item in found
    }


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
    assert said == "would upload s3://shop/data/train.zip (500 bytes)\n"
    assert keys(s3) == {}

    cloud("upload", data / "train.zip", "s3://shop/data")
    _, said, _ = cloud("upload", data, "s3://shop/data", "--dry-run")
    assert "is there already: s3://shop/data/train.zip" in said
    assert "would upload s3://shop/data/valid.zip" in said


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
    files, _ = plan(s3, large, location("s3://shop"))
    assert upload(s3, files, 2) == files

    assert [part["PartNumber"] for part in sent] == [2, 3]
    assert keys(s3)["large.zip"] == large.read_bytes()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="shop")


def test_parts_of_an_older_file_do_not_make_it_wrong(s3, large):
    where = location("s3://shop/large.zip")
    parts._begin(s3, where, {parts.METADATA: "of another file"})
    files, _ = plan(s3, large, location("s3://shop"))

    assert upload(s3, files, 1) == files

    assert keys(s3)["large.zip"] == large.read_bytes()
    sha256 = hashlib.sha256(large.read_bytes()).hexdigest()
    assert parts.stored_sha256(s3, where) == (large.stat().st_size, sha256)


def test_every_put_tells_s3_the_checksum_to_check(s3, data, large):
    puts, sent = calls(s3, "PutObject"), calls(s3, "UploadPart")
    for path in (data, large):
        files, _ = plan(s3, path, location("s3://shop"))
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
