"""Calls of a SageMaker endpoint, and AWS's errors as this service's own."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from app.errors import (
    EndpointFailed,
    EndpointRefused,
    EndpointThrottled,
    EndpointTimeout,
    EndpointTooLarge,
    EndpointUnavailable,
    ServiceError,
)
from app.invocation import JSON
from app.settings import Settings
from app.store.explain import said

SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")
"""States of an endpoint that answers; while it is updated, the old model does."""

_THROTTLED = {
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
}
# Each with a space, which no name of an endpoint or a role has: AWS's messages quote those.
_TOO_LARGE = ("size limit", "payload size", "length less than or equal", "too large")
_NO_SAGEMAKER = "AWS cannot be called: what answers is no SageMaker, such as a web page."
_CONNECT_SECONDS = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invoked:
    """What the container answered, and which of the endpoint's variants it was."""

    body: bytes
    variant: str | None


class Failure(Exception):
    """A call that failed: as which error it leaves, and whether trying again may help."""

    def __init__(self, error: ServiceError, again: bool) -> None:
        super().__init__(error.detail)
        self.error, self.again = error, again


class Endpoint:
    """One endpoint. Its methods block, and may be called in several threads."""

    def __init__(self, settings: Settings) -> None:
        """Credentials and region are those of the environment.

        Raises:
            Exception: AWS cannot be used as it is configured.
        """
        self.name = settings.endpoint_name
        # Trying again is the predictor's: it knows how much time is left.
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=settings.deadline_seconds,
            retries={"total_max_attempts": 1},
            max_pool_connections=settings.endpoint_connections,
        )
        # boto3 takes the region from AWS_DEFAULT_REGION only; ECS and Lambda set AWS_REGION.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        self._runtime: Any = session.client("sagemaker-runtime", config=config)
        self._control: Any = session.client("sagemaker", config=config)

    def state(self) -> str:
        """`InService` and so on, `Missing` where there is no such endpoint.

        Raises:
            Failure: AWS does not tell.
        """
        try:
            answer = self._control.describe_endpoint(EndpointName=self.name)
        except Exception as error:
            if isinstance(error, boto.ClientError) and "could not find" in _message(error).lower():
                return "Missing"
            raise _failure(error, self.name) from error
        if "EndpointStatus" not in answer:
            raise Failure(EndpointRefused(_NO_SAGEMAKER), again=False)
        status: str = answer["EndpointStatus"]
        return status

    def invoke(self, body: bytes, content_type: str, attributes: str = "") -> Invoked:
        """The answer of the container.

        Args:
            body: a photo, or JSON.
            content_type: of `body`.
            attributes: what SageMaker hands on as a header; see `app.invocation`.

        Raises:
            Failure: there is none.
        """
        call = {"EndpointName": self.name, "Body": body, "ContentType": content_type}
        call |= {"Accept": JSON, **({"CustomAttributes": attributes} if attributes else {})}
        try:
            response = self._runtime.invoke_endpoint(**call)
            with closing(response["Body"]) as stream:
                return Invoked(stream.read(), response.get("InvokedProductionVariant"))
        except (boto.BotoCoreError, boto.ClientError) as error:
            raise _failure(error, self.name) from error
        except Exception as error:  # it may name files of this machine: nothing for callers
            _log.error("AWS cannot be called: %s", said(error))
            refused = EndpointRefused("AWS cannot be called; the log tells why.")
            raise Failure(refused, again=False) from error

    def close(self) -> None:
        """Close the connections."""
        self._runtime.close()
        self._control.close()


def _failure(error: Exception, name: str) -> Failure:
    if isinstance(error, boto.ClientError):
        return _refusal(error, name)
    if isinstance(error, boto.ReadTimeoutError):
        return Failure(EndpointTimeout(f"The endpoint {name} did not answer in time."), again=False)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        # Also a connection that was kept open and is dead: a new one is all it takes.
        return Failure(EndpointUnavailable(f"The endpoint {name} cannot be reached."), again=True)
    # The rest is not all boto3's own: a file of credentials that is not there is an OSError.
    return Failure(EndpointRefused(f"AWS cannot be called: {said(error)}."), again=False)


def _refusal(error: boto.ClientError, name: str) -> Failure:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "ModelError":
        return _container_error(error, name)
    # 429 is also ModelNotReadyException, while a serverless endpoint gets its machine: it has to be
    # waited for, and is nothing broken that would be left alone.
    if code in _THROTTLED or status == 429:
        said = f"The endpoint {name} takes no more calls now: {code}."
        return Failure(EndpointThrottled(said), again=True)
    if status >= 500:
        said = f"The endpoint {name} is not available: {code}."
        return Failure(EndpointUnavailable(said), again=True)
    if status == 413 or any(words in _message(error) for words in _TOO_LARGE):
        return Failure(EndpointTooLarge(f"{name}: {_message(error)}"), again=False)
    if code == "ValidationError" and "not found" in _message(error):
        return Failure(EndpointUnavailable(f"There is no endpoint {name}."), again=False)
    return Failure(EndpointRefused(f"AWS refuses the call of {name}: {code}."), again=False)


def _container_error(error: boto.ClientError, name: str) -> Failure:
    answer: dict[str, Any] = dict(error.response)
    status = int(answer.get("OriginalStatusCode") or 0)
    if status in (0, 504):  # 0: SageMaker gave up waiting
        return Failure(EndpointTimeout(f"The container of {name} did not answer in time."), False)
    if status in (429, 503):  # it works, and has all the work that it can take
        return Failure(EndpointThrottled(f"The container of {name} is busy ({status})."), True)
    if status == 413:
        return Failure(EndpointTooLarge(f"The container of {name} takes no photo so large."), False)
    said = f"The container of {name} answered with status {status}."
    return Failure(EndpointFailed(said), again=status >= 500)


def _message(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))
