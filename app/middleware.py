"""Around every request: its id, its line in the log, its metrics, and the last resort for errors.

Pure ASGI: Starlette's BaseHTTPMiddleware would hide a client's disconnect from the routes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import InternalError, ServiceError, ShuttingDown
from app.logs import current_request_id
from app.problems import problem_response
from app.telemetry import Metrics

REQUEST_ID_HEADER = "x-request-id"
CLIENT_LEFT = 499
"""The status that is logged when the client left before the answer; nobody receives it."""

_REQUEST_ID_NAME = REQUEST_ID_HEADER.encode()
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_QUIET = ("/health/", "/metrics")
_log = logging.getLogger(__name__)


class RequestMiddleware:
    """Puts `request_id` and `started` (seconds of `time.perf_counter`) into the request's state.

    Also `errors`, a list: whoever makes one into an answer, or into a part of it, adds it, and at
    the end they are counted and told in the log.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started = time.perf_counter()
        scope.setdefault("state", {}).update(request_id=request_id, started=started, errors=[])
        token = current_request_id.set(request_id)
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        async def answer(error: ServiceError) -> None:
            scope["state"]["errors"].append(error)
            await problem_response(error, request_id)(scope, receive, send_with_id)

        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except asyncio.CancelledError:  # the server gives up on what did not finish in time
            if status is not None:
                raise
            await answer(ShuttingDown("The service shut down before the answer was ready."))
        except Exception:
            _log.exception("unexpected error")
            if status is not None:
                raise
            await answer(
                InternalError("The service failed. Its log tells more under this request id.")
            )
        finally:
            self._record(scope, status or CLIENT_LEFT, time.perf_counter() - started)
            current_request_id.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The path as it is routed, never as it was sent: labels have to stay few.
        route = getattr(scope.get("route"), "path", "unmatched")
        failed: list[ServiceError] = scope["state"]["errors"]
        self.metrics.count_request(scope["method"], route, status, seconds)
        for error in failed:
            self.metrics.errors.labels(error.code).inc()
        quiet = route.startswith(_QUIET) and status < 500
        _log.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s %d",
            scope["method"],
            scope["path"],
            status,
            extra={
                "fields": {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round(1000 * seconds, 1),
                    "client": (scope.get("client") or ("-",))[0],
                    **_told(failed),
                }
            },
        )


def _told(failed: list[ServiceError]) -> dict[str, str]:
    """The codes, and of what is no fault of the caller also what it says."""
    fields = {"code": " ".join(sorted({error.code for error in failed}))} if failed else {}
    for error in failed:
        if error.status >= 500:
            return fields | {"detail": error.detail}
    return fields


def _request_id(scope: Scope) -> str:
    """The caller's id where it is harmless in logs and headers, a new one otherwise."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == _REQUEST_ID_NAME and _REQUEST_ID.fullmatch(given := value.decode("latin-1")):
            return given
    return uuid.uuid4().hex
