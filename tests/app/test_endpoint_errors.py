"""AWS's errors of a call, as botocore raises them, and what becomes of each."""

import pytest
from botocore import exceptions as boto
from botocore.stub import Stubber

from app.endpoint import Endpoint, Failure
from tests.app.conftest import settings


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Endpoint(settings(backend="sagemaker", endpoint_name="garments"))


@pytest.mark.parametrize(
    ("code", "message", "status", "extra", "expected", "again"),
    [
        ("ThrottlingException", "Rate exceeded", 400, {}, "503 endpoint_throttled", True),
        ("ThrottlingException", "Rate exceeded", 429, {}, "503 endpoint_throttled", True),
        ("ServiceUnavailable", "", 503, {}, "503 endpoint_unavailable", True),
        ("InternalFailure", "", 500, {}, "503 endpoint_unavailable", True),
        ("InternalDependencyException", "", 530, {}, "503 endpoint_unavailable", True),
        ("ModelNotReadyException", "", 429, {}, "503 endpoint_throttled", True),
        (
            "ValidationError",
            "Endpoint garments of account 123456789012 not found.",
            400,
            {},
            "503 endpoint_unavailable",
            False,
        ),
        ("ValidationError", "size limit of 6291456", 400, {}, "413 endpoint_too_large", False),
        (
            "AccessDeniedException",
            "User: x is not authorized to perform: InvokeEndpoint on endpoint/plus-size",
            403,
            {},
            "502 endpoint_refused",
            False,
        ),
        ("RequestEntityTooLarge", "", 413, {}, "413 endpoint_too_large", False),
        ("ValidationError", "no such variant", 400, {}, "502 endpoint_refused", False),
        ("AccessDeniedException", "", 403, {}, "502 endpoint_refused", False),
        ("ExpiredTokenException", "", 403, {}, "502 endpoint_refused", False),
        ("ModelError", "", 424, {"OriginalStatusCode": 500}, "502 endpoint_failed", True),
        ("ModelError", "", 424, {"OriginalStatusCode": 415}, "502 endpoint_failed", False),
        ("ModelError", "", 424, {"OriginalStatusCode": 413}, "413 endpoint_too_large", False),
        ("ModelError", "", 424, {"OriginalStatusCode": 503}, "503 endpoint_throttled", True),
        ("ModelError", "", 424, {"OriginalStatusCode": 504}, "504 endpoint_timeout", False),
        ("ModelError", "timed out", 424, {"OriginalStatusCode": 0}, "504 endpoint_timeout", False),
    ],
)
def test_what_aws_answers(endpoint, code, message, status, extra, expected, again) -> None:
    with Stubber(endpoint._runtime) as aws:
        aws.add_client_error(
            "invoke_endpoint", code, message, http_status_code=status, modeled_fields=extra
        )
        with pytest.raises(Failure) as failed:
            endpoint.invoke(b"photo", "image/png")
    error = failed.value.error
    assert f"{error.status} {error.code}" == expected
    assert failed.value.again is again
    assert "123456789012" not in error.detail  # an account's number is nobody's business


@pytest.mark.parametrize(
    ("raised", "expected", "again"),
    [
        (boto.ReadTimeoutError(endpoint_url="x"), "504 endpoint_timeout", False),
        (boto.ConnectTimeoutError(endpoint_url="x"), "503 endpoint_unavailable", True),
        (boto.EndpointConnectionError(endpoint_url="x"), "503 endpoint_unavailable", True),
        (boto.ConnectionClosedError(endpoint_url="x"), "503 endpoint_unavailable", True),
        (boto.NoCredentialsError(), "502 endpoint_refused", False),
    ],
)
def test_what_does_not_reach_aws(endpoint, monkeypatch, raised, expected, again) -> None:
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(endpoint._runtime, "invoke_endpoint", fail)
    with pytest.raises(Failure) as failed:
        endpoint.invoke(b"photo", "image/png")
    error = failed.value.error
    assert f"{error.status} {error.code}" == expected
    assert failed.value.again is again
