"""An HTTP server that stands in for one of AWS's services, for as long as a test needs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class QuietHandler(BaseHTTPRequestHandler):
    """Answers with one body at a time, and writes nothing into the tests' output."""

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def asked_by_boto3(
    monkeypatch: pytest.MonkeyPatch, service: str | None, handler: type[QuietHandler]
) -> Iterator[None]:
    """Boto3 asks `handler` for `service`, such as `S3`; None is for all of AWS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    variable = f"AWS_ENDPOINT_URL_{service}" if service else "AWS_ENDPOINT_URL"
    monkeypatch.setenv(variable, f"http://127.0.0.1:{server.server_port}")
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
