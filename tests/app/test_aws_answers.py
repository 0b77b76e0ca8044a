"""What boto3 raises and no BotoCoreError is, through boto3 itself, and what is said of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.endpoint import Endpoint, Failure
from app.errors import EndpointRefused
from app.predictors import PredictorError
from app.predictors.sagemaker import SageMakerPredictor
from app.service import Service
from app.store import StoreError, UnreachableError, Watch, fetch
from app.telemetry import Metrics
from tests.app.conftest import settings
from tests.local_server import QuietHandler, asked_by_boto3

PROXY = settings(backend="sagemaker", endpoint_name="garments")
REFERENCE = "s3://shop/garments/latest.json"
PAGE = "<!doctype html>\n<p>Console</p>"
ROLE = """\
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>key</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>token</SessionToken><Expiration>{expiration}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials yet."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Lets a server give one text to all that is asked of AWS."""
    text = ""

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(200, "text/html", b"" if self.command == "HEAD" else text.encode())

        do_HEAD = do_POST = do_GET  # noqa: N815

    def answer(with_text: str) -> None:
        nonlocal text
        text = with_text

    with asked_by_boto3(monkeypatch, None, Handler):
        yield answer


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def take_role(monkeypatch: pytest.MonkeyPatch, token: Path) -> None:
    """As a pod in EKS does."""
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/garments")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))


def said_by_the_store(cache: Path) -> list[str]:
    """To a start and to a look for another model, each in one line."""
    said = []
    for ask in (lambda: fetch(REFERENCE, cache), lambda: Watch(REFERENCE).look()):
        with pytest.raises(StoreError) as caught:
            ask()
        assert not isinstance(caught.value, UnreachableError)
        said.append(str(caught.value))
    assert "\n" not in "".join(said)
    return said


def said_by_the_endpoint(caplog: pytest.LogCaptureFixture) -> list[str]:
    """To a look, and in the log of a photo, each in one line; callers are not told of this."""
    endpoint = Endpoint(PROXY)
    failures = []
    for ask in (endpoint.state, lambda: endpoint.invoke(b"photo", "image/png")):
        with pytest.raises(Failure) as caught:
            ask()
        assert isinstance(caught.value.error, EndpointRefused)
        assert not caught.value.again
        failures.append(caught.value.error.detail)
    endpoint.close()
    assert failures[1] == "AWS cannot be called; the log tells why."
    said = [failures[0].rstrip("."), caplog.messages[-1]]
    assert "\n" not in "".join(said)
    return said


def test_a_roles_token_that_is_not_there_is_named(monkeypatch, tmp_path, caplog) -> None:
    token = tmp_path / "token"
    take_role(monkeypatch, token)
    told = f"{token} cannot be used (No such file or directory)"
    for said in said_by_the_store(tmp_path):
        assert said.startswith(f"{REFERENCE}: no AWS credentials: {told}. Check AWS_WEB_IDENTITY")
    assert said_by_the_endpoint(caplog) == [f"AWS cannot be called: {told}"] * 2
    with pytest.raises(PredictorError, match=r"AWS cannot be called: .*token cannot be used"):
        asyncio.run(SageMakerPredictor.load(PROXY, Metrics()))


def test_a_pods_token_that_is_not_there_is_named(monkeypatch, tmp_path) -> None:
    token = tmp_path / "token"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
    for said in said_by_the_store(tmp_path):
        assert f"{token} cannot be used" in said
        assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in said
    with pytest.raises(PredictorError, match=r"as it is configured: .*token cannot be used"):
        asyncio.run(SageMakerPredictor.load(PROXY, Metrics()))


def test_a_web_page_is_taken_neither_for_s3_nor_for_sagemaker(answering, keys, tmp_path) -> None:
    answering(PAGE)
    for said in said_by_the_store(tmp_path):
        assert "what answers at AWS_ENDPOINT_URL_S3 is no S3" in said
    with pytest.raises(PredictorError, match="what answers is no SageMaker"):
        asyncio.run(SageMakerPredictor.load(PROXY, Metrics()))


def test_a_web_page_instead_of_credentials(answering, monkeypatch, tmp_path, caplog) -> None:
    answering(PAGE)
    (tmp_path / "token").write_text("of the pod")
    take_role(monkeypatch, tmp_path / "token")
    for said in said_by_the_store(tmp_path) + said_by_the_endpoint(caplog):
        assert "invalid XML received" in said
        assert "Console" not in said  # which may be credentials, cut off


def test_credentials_that_come_expired(answering, monkeypatch, tmp_path, caplog) -> None:
    expired = datetime.now(UTC) - timedelta(minutes=5)
    answering(ROLE.format(expiration=expired.isoformat()))
    (tmp_path / "token").write_text("of the pod")
    take_role(monkeypatch, tmp_path / "token")
    for said in said_by_the_store(tmp_path) + said_by_the_endpoint(caplog):
        assert "the refreshed credentials are still expired" in said


def test_a_proxy_that_fails_at_the_start_does_not_blame_a_model() -> None:
    told: list[str] = []

    async def load(*_: object) -> SageMakerPredictor:
        raise KeyError("unforeseen")

    async def main() -> None:
        service = Service(PROXY, told.append, load)
        service.start()
        await asyncio.sleep(0.01)
        await service.stop()

    asyncio.run(main())
    assert told == ["the endpoint garments: KeyError('unforeseen')"]
