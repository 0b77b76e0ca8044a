"""A server that refuses everything as S3 does: in XML, but without a body where HEAD asked."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.local_server import QuietHandler, asked_by_boto3


@contextmanager
def failing_s3(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, message: str
) -> Iterator[list[str]]:
    """Boto3 asks it for S3; yields the methods it was asked with so far."""
    asked: list[str] = []

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:  # noqa: N802  # http.server's name
            asked.append(self.command)
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>"
            body = b"" if self.command == "HEAD" else f"{text}</Error>".encode()
            self.answer(status, "application/xml", body)

        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            self.do_HEAD()

    with asked_by_boto3(monkeypatch, "S3", Handler):
        yield asked
