"""HTTP/1.1 as uvicorn speaks it, and nothing else, whatever a client offers."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import MalformedHttp
from app.lingering import LINGER_SECONDS
from app.problems import problem_response
from app.telemetry import Metrics

MAX_HEAD = 65_536
"""Bytes of a request's line and headers: nothing else bounds them, and they wait in memory."""

_LINE, _END = b"\r\n", b"\r\n\r\n"
_OFFER = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)
_log = logging.getLogger(__name__)


class Http1Protocol(HttpToolsProtocol):
    """Does not see the offer of another protocol, and waits for a request as long as between two.

    RFC 9110, 7.8, lets a server ignore the offer. Java's HttpClient, and Spring with it, offers
    HTTP/2 with each request. httptools takes that for the request's end, and its body is lost:
    https://github.com/Kludex/uvicorn/issues/2722.

    uvicorn itself would wait for ever for a head of which a byte has come, or none at the start:
    few clients that send no more would hold all the connections that there can be.
    """

    _waiting: asyncio.TimerHandle | None = None
    _refused = False
    _in_head = True
    _head_bytes = 0
    _held = b""
    """A head's last line, as far as it has arrived, with what ends the line before."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """From here on a request is waited for."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, and forget what comes after a refusal."""
        if self._refused:
            return
        if self._in_head:
            data = self._without_offer(self._held + data)
            if self._head_bytes + len(self._held) > MAX_HEAD:
                self.send_400_response(f"The head has more than {MAX_HEAD:,} bytes.")
                return
        super().data_received(data)

    def _without_offer(self, data: bytes) -> bytes:
        end = data.find(_END)
        if end >= 0:
            self._held = b""
            self._head_bytes += end
            return _OFFER.sub(b"", data[:end]) + data[end:]
        line = data.rfind(_LINE)
        if line < 0:
            line = len(data) - data.endswith(b"\r")
        self._held = data[line:]
        self._head_bytes += line
        return _OFFER.sub(b"", data[:line])

    def send_400_response(self, msg: str) -> None:
        """As the app answers, which only counts it; `app.lingering` says why it lingers."""
        request_id = uuid.uuid4().hex
        error = MalformedHttp(msg)
        fields = {"code": error.code, "status": error.status, "request_id": request_id}
        fields["client"] = (self.client or ("-",))[0]
        _log.info("refused what is no HTTP", extra={"fields": fields})
        metrics: Metrics = self.config.app.state.service.metrics  # type: ignore[union-attr]
        metrics.errors.labels(error.code).inc()
        response = problem_response(error, request_id)
        response.headers.update({"x-request-id": request_id, "connection": "close"})
        lines = [*self.server_state.default_headers, *response.raw_headers]
        head = b"".join(b"%s: %s\r\n" % line for line in lines)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(response.body))
        self.transport.write_eof()
        self._refused = True
        if self.cycle is not None:  # the request before, if it is still in work
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        """From here on it is the body."""
        self._in_head, self._head_bytes = False, 0
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """From here on it is another request."""
        self._in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """From here on another request is waited for, unless it is there."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait()

    def _wait(self) -> None:
        self._wait_no_more()
        self._waiting = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
