"""Credential files that may not be read are told of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.credentials import told_of_unreadable
from app.predictors import PredictorError
from app.predictors.sagemaker import SageMakerPredictor
from app.settings import Settings
from app.store import StoreError, fetch
from app.telemetry import Metrics

NOBODY = 65534


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """Where boto3 looks for credentials and configuration; the process is not root's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    tmp_path.chmod(0o777)
    for above in tmp_path.parents:
        if above.stat().st_mode & 0o001:
            break
        above.chmod(0o711)  # to be passed through, no more
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield credentials, config
    os.seteuid(user)


def test_files_that_may_be_read_or_are_not_there_are_not_told_of(files):
    files[0].write_text("[default]\n")
    assert told_of_unreadable() == ""


def test_a_file_that_may_not_be_read_is_told_of_by_the_store_and_the_proxy(files, tmp_path):
    files[0].write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n")
    files[0].chmod(0)
    told = rf"{files[0]} may not be read by user {os.geteuid()}: give that user the right to"

    with pytest.raises(StoreError, match=rf"no AWS credentials.*{told}"):
        fetch("s3://shop/garments/latest.json", tmp_path / "cache")
    settings = Settings(backend="sagemaker", endpoint_name="garments")
    with pytest.raises(PredictorError, match=rf"AWS cannot be called: .*{told}"):
        asyncio.run(SageMakerPredictor.load(settings, Metrics()))


def test_a_folder_that_may_not_be_entered_is_told_of(files, monkeypatch):
    closed = files[0].parent / "closed"
    closed.mkdir(mode=0)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(closed / "config"))
    assert f"{closed / 'config'} may not be read" in told_of_unreadable()
