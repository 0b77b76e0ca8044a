"""Calls to AWS: those that read are made, those that change something are only shown when asked.

So --dry-run prints the exact requests, which depend on what is there already. Where AWS cannot be
asked (no credentials, region or network), --dry-run goes on as if nothing were there, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import boto3
from botocore import exceptions as boto
from botocore import xform_name

from training.aws import client, code_of, is_refusal, plain_errors, session, show_request
from training.errors import CloudError

_MISSING_CODES = {"NoSuchEntity", "NoSuchKey", "404", "ResourceNotFound", "ObjectNotFoundException"}
# SageMaker says ValidationException for everything; only the message tells what it is about. Others
# say the same words of other things, such as S3 of an access key.
_VAGUE_CODES = {"ValidationException", "ValidationError"}
_MISSING_WORDS = (
    "could not find",
    "does not exist",
    "no scalable target",
    "requested resource not found",
)


class Calls:
    """Calls of one command. `offline` is true once AWS could not be asked in a dry run."""

    def __init__(self, dry_run: bool = False) -> None:
        self.dry_run, self.offline = dry_run, False
        self._clients: dict[str, Any] = {}

    @cached_property
    def session(self) -> boto3.Session:
        """The session of all clients: loading AWS's models of its services takes a while."""
        return session()

    def client(self, service: str) -> Any:
        """The service's client, made at its first use."""
        if service not in self._clients:
            self._clients[service] = client(service, self.session)
        return self._clients[service]

    def find(
        self, service: str, operation: str, parameters: Mapping[str, Any], doing: str
    ) -> Any | None:
        """What a reading call such as `DescribeEndpoint` answers; None where nothing is there.

        Args:
            service: boto3's name of it.
            operation: the API's name of it.
            parameters: of the request.
            doing: what fails when it fails, such as `looking at the endpoint garments`.

        Raises:
            CloudError: AWS refuses, or (not in a dry run) cannot be asked.
        """
        if self.offline:
            return None
        try:
            with plain_errors(doing):
                try:
                    return self._call(service, operation, parameters)
                except boto.ClientError as error:
                    if is_missing(error):
                        return None
                    raise
        except CloudError as error:
            if not self.dry_run or is_refusal(error):
                raise
            print(f"AWS cannot be asked: {error}")
            print(
                "So this is for an account where nothing is there yet; VERSION and zeros stand for"
            )
            print("what would have been read.")
            self.offline = True
            return None

    def pages(
        self, service: str, operation: str, parameters: Mapping[str, Any], doing: str
    ) -> Iterator[Any]:
        """All pages of a listing; none where a dry run cannot ask."""
        token: dict[str, Any] = {}
        while page := self.find(service, operation, {**parameters, **token}, doing):
            yield page
            names = {"NextToken": "NextToken", "NextContinuationToken": "ContinuationToken"}
            token = {names[name]: page[name] for name in names if page.get(name)}
            if not token:
                return

    def change(
        self, service: str, operation: str, parameters: Mapping[str, Any], doing: str
    ) -> bool:
        """Make a call that changes something, or show it; whether the thing was there.

        Raises:
            CloudError: AWS refuses for another reason than that the thing is missing, or cannot
                be reached.
        """
        if self.dry_run:
            show_request(service, operation, parameters)
            return True
        with plain_errors(doing):
            try:
                self._call(service, operation, parameters)
            except boto.ClientError as error:
                if operation.startswith(("Delete", "Deregister")) and is_missing(error):
                    return False
                raise
        return True

    def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        return getattr(self.client(service), xform_name(operation))(**parameters)


def is_missing(error: boto.ClientError) -> bool:
    """Whether the error says that there is no such thing."""
    if code_of(error) in _MISSING_CODES:
        return True
    message = str(error.response.get("Error", {}).get("Message", "")).lower()
    return code_of(error) in _VAGUE_CODES and any(words in message for words in _MISSING_WORDS)
