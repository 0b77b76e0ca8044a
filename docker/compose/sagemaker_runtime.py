"""A stand-in for SageMaker in docker-compose.yml, for trying the proxy without AWS.

Answers boto3's two calls: `invoke_endpoint` is handed on to the endpoint's container, and
`describe_endpoint` tells by the container's /ping whether it is in service. It checks no
signatures, and knows one endpoint.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

NAME = os.environ["ENDPOINT_NAME"]
UPSTREAM = os.environ["ENDPOINT_UPSTREAM"]
HANDED_ON = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")
SECONDS = 60  # SageMaker's own limit


class Handler(BaseHTTPRequestHandler):
    """One connection of boto3."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """For the health check."""
        self._answer(200, b"{}")

    def do_POST(self) -> None:
        """A call; its body is read in any case, since the connection is used again."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("X-Amz-Target") == "SageMaker.DescribeEndpoint":
            self._describe(json.loads(body)["EndpointName"])
        elif self.path == f"/endpoints/{NAME}/invocations":
            self._invoke(body)
        else:
            self._refuse(400, "ValidationError", f"Endpoint of {self.path} not found.")

    def _describe(self, name: str) -> None:
        if name != NAME:
            self._refuse(400, "ValidationException", f'Could not find endpoint "{name}".')
            return
        try:
            with urlopen(f"{UPSTREAM}/ping", timeout=SECONDS):  # noqa: S310
                status = "InService"
        except (OSError, HTTPException):
            status = "Creating"
        told = {"EndpointName": NAME, "EndpointStatus": status}
        self._answer(200, json.dumps(told).encode())

    def _invoke(self, body: bytes) -> None:
        headers = {name: value for name in HANDED_ON if (value := self.headers.get(name))}
        self.log_message("handing on: %s, %d bytes", headers.get("Content-Type"), len(body))
        request = Request(f"{UPSTREAM}/invocations", data=body, headers=headers)  # noqa: S310
        try:
            with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
                self._answer(200, response.read(), {"x-Amzn-Invoked-Production-Variant": "local"})
        except HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            more = {"OriginalStatusCode": error.code, "OriginalMessage": text}
            self._refuse(424, "ModelError", f"The container answered {error.code}.", more)
        except (OSError, HTTPException) as error:
            self._refuse(503, "ServiceUnavailable", str(error))

    def _refuse(
        self, status: int, error: str, message: str, more: dict[str, object] | None = None
    ) -> None:
        said = {"Message": message, "message": message, **(more or {})}
        self._answer(status, json.dumps(said).encode(), {"x-amzn-ErrorType": error})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Handler).serve_forever()
