"""A boto3 session that sends nothing: what a program would ask of AWS, for --dry-run.

The program runs as it is; each call is validated against botocore's model of the service, noted,
and answered with nothing. The call that matters ends it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from training.aws import show_request


class Request(NamedTuple):
    """A call that was not made."""

    service: str
    operation: str
    parameters: dict[str, Any]


class Rehearsed(BaseException):
    """The rehearsal has come to its end; no Exception, so that no SDK swallows it."""


class Rehearsal:
    """Notes what is asked for with `session` in `requests`; raises `Rehearsed` at `last`."""

    def __init__(self, region: str, last: str) -> None:
        """`last` names the operation that ends the rehearsal, such as `CreateTrainingJob`."""
        self.last = last
        self.requests: list[Request] = []
        # Keys that are none: with a user's own, one that may expire would be renewed over the net.
        self.session = boto3.Session(
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",  # noqa: S106
            region_name=region,
        )
        self.session.events.register("before-parameter-build", self._note)
        # Its answer takes the place of AWS's; the types know only hooks that answer nothing.
        self.session.events.register("before-call", self._answer)  # type: ignore[arg-type]

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        self.requests.append(Request(service, model.name, dict(params)))

    def _answer(self, model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        if model.name == self.last:
            raise Rehearsed
        return AWSResponse("", 200, HTTPHeaders(), None), {}

    def show(self) -> None:
        """Print the requests; those that upload files with a line per folder."""
        folders: dict[str, list[str]] = {}
        for _, operation, parameters in self.requests:
            if operation == "PutObject":
                folder, _, name = parameters["Key"].rpartition("/")
                folders.setdefault(f"s3://{parameters['Bucket']}/{folder}/", []).append(name)
        for folder, names in folders.items():
            print(f"s3 PutObject {folder} {' '.join(sorted(names))}")
        for service, operation, parameters in self.requests:
            if operation != "PutObject":
                show_request(service, operation, parameters)
