"""HTTP/1.1 as uvicorn speaks it, and nothing else, whatever a client offers."""

from __future__ import annotations

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class Http1Protocol(HttpToolsProtocol):
    """Does not see the offer of another protocol, which RFC 9110, 7.8, lets a server ignore.

    Java's HttpClient, and Spring with it, offers HTTP/2 with each request. httptools takes that for
    the request's end, and its body is lost: https://github.com/Kludex/uvicorn/issues/2722.
    """

    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Take what has arrived; an offer that is itself in two pieces is not found."""
        if self._in_head:
            end = data.find(b"\r\n\r\n")
            if offer := _OFFER.search(data, 0, len(data) if end < 0 else end):
                data = data[: offer.start()] + data[offer.end() :]
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """From here on it is the body."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """From here on it is another request."""
        self._in_head = True
        super().on_message_complete()
