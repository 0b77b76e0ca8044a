"""HTTP/1.1 as uvicorn speaks it, and nothing else, whatever a client offers."""

from __future__ import annotations

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINE, _END = b"\r\n", b"\r\n\r\n"
_OFFER = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class Http1Protocol(HttpToolsProtocol):
    """Does not see the offer of another protocol, which RFC 9110, 7.8, lets a server ignore.

    Java's HttpClient, and Spring with it, offers HTTP/2 with each request. httptools takes that for
    the request's end, and its body is lost: https://github.com/Kludex/uvicorn/issues/2722.
    """

    _in_head = True
    _held = b""
    """A head's last line, as far as it has arrived, with what ends the line before."""

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        if self._in_head:
            data = self._without_offer(self._held + data)
        super().data_received(data)

    def _without_offer(self, data: bytes) -> bytes:
        end = data.find(_END)
        if end >= 0:
            self._held = b""
            return _OFFER.sub(b"", data[:end]) + data[end:]
        line = data.rfind(_LINE)
        if line < 0:
            line = len(data) - data.endswith(b"\r")
        self._held = data[line:]
        return _OFFER.sub(b"", data[:line])

    def on_headers_complete(self) -> None:
        """From here on it is the body."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """From here on it is another request."""
        self._in_head = True
        super().on_message_complete()
