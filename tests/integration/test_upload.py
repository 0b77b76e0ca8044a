"""`cloud upload` to a real S3 server: what arrives, what is skipped, and going on."""

import hashlib
import os

import pytest

from training.__main__ import main
from training.cloud import parts
from training.cloud.buckets import location, stored
from training.cloud.upload import plan, upload

pytestmark = pytest.mark.s3


def test_a_folder_arrives_and_only_what_changed_is_sent_again(s3_server, tmp_path, capsys):
    data = tmp_path / "data"
    for name in ("train/Coat/1.png", "train/Bag/1.png", "prepared.json"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(name.encode() * 1000)
    command = ["cloud", "upload", str(data), f"s3://{s3_server.bucket}/data/home"]

    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("s3 PutObject") == 3
    assert main(command) == 0
    assert "3 files uploaded and verified" in capsys.readouterr().out
    (data / "prepared.json").write_bytes(b"x" * (data / "prepared.json").stat().st_size)
    assert main(command) == 0
    assert "1 files uploaded and verified" in capsys.readouterr().out

    with_coat = s3_server.client().get_object(
        Bucket=s3_server.bucket, Key="data/home/train/Coat/1.png"
    )
    assert with_coat["Body"].read() == b"train/Coat/1.png" * 1000


def test_a_large_file_goes_on_where_it_was_interrupted(s3_server, tmp_path):
    large = tmp_path / "large.zip"
    large.write_bytes(os.urandom(2 * parts.PART_BYTES + 1000))
    sha256 = hashlib.sha256(large.read_bytes()).hexdigest()
    s3, bucket = s3_server.client(), location(f"s3://{s3_server.bucket}")
    sent: list[int] = []
    s3.meta.events.register(
        "provide-client-params.s3.UploadPart", lambda params, **_: sent.append(params["PartNumber"])
    )

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    [file] = plan(large, bucket, stored(s3, bucket))[0]
    with pytest.raises(KeyboardInterrupt):
        parts.put(s3, large, file.where, sha256, interrupt)
    assert upload(s3, [file], 1) == [file]

    assert sent == [1, 2, 3]
    arrived = s3.get_object(Bucket=s3_server.bucket, Key="large.zip")["Body"].read()
    assert hashlib.sha256(arrived).hexdigest() == sha256


def test_a_missing_bucket_is_told_in_a_line(s3_server, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"x")
    assert main(["cloud", "upload", str(tmp_path / "file"), "s3://no-such-bucket/x"]) == 2
    told = capsys.readouterr().err
    assert "looking at s3://no-such-bucket: " in told
    assert "Traceback" not in told
