"""The process of the service: its settings, its socket, its server and its end."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys

import uvicorn

from app.http1 import Http1Protocol
from app.logs import configure_logging
from app.main import create_app
from app.settings import (
    Settings,
    SettingsError,
    describe_settings,
    endpoint_defaults,
    load_settings,
    unknown_variables,
)

MAX_FILES = 65_536
"""As many connections at most; a system's own limit may be without end."""

_log = logging.getLogger("app")


def main() -> int:
    """Run until SIGTERM or Ctrl+C; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve the garment classifier over HTTP. It is set up by environment "
        "variables; each is listed with its default.",
        epilog=f"settings:\n{describe_settings()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "role",
        nargs="?",
        choices=["serve"],
        help="serve: as the container of a SageMaker endpoint, with /ping and /invocations on port "
        "8080 and the model that SageMaker mounts",
    )
    endpoint = parser.parse_args().role == "serve"
    try:
        settings = load_settings(endpoint_defaults(os.environ) if endpoint else None)
    except SettingsError as error:
        # How to log is a setting, too.
        print(f"error: {error} (python -m app --help lists the settings)", file=sys.stderr)
        return 2
    configure_logging(settings.log_format, settings.log_level)
    for name in unknown_variables(os.environ):
        _log.warning("%s is not a setting and has no effect; see python -m app --help", name)
    _allow_connections()
    try:
        listener = _listen(settings)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "No name of a host"
        return _give_up(
            f"cannot listen on {settings.host} port {settings.port}: {reason}. "
            "Set GARMENT_PORT or GARMENT_HOST to another one."
        )
    return _serve(settings, listener, endpoint)


def _serve(settings: Settings, listener: socket.socket, endpoint: bool) -> int:
    failures: list[str] = []

    def give_up(reason: str) -> None:
        failures.append(reason)
        server.should_exit = True

    app = create_app(settings, give_up, endpoint=endpoint)
    # What is there by now stays: no collection has to look at it, for 20 ms of which nothing is
    # answered.
    gc.collect()
    gc.freeze()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=Http1Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.drain_seconds,
            # Longer than a load balancer keeps an idle connection (60 seconds is usual): it would
            # send a request into one that is closed at that moment, and answer 502.
            timeout_keep_alive=75,
        )
    )

    def end(*_: object) -> None:
        """Before uvicorn minds signals; after it has drained, it sends itself each again."""
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)
    host, port = listener.getsockname()[:2]
    _log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if failures:
        return _give_up(f"cannot serve the model: {failures[0]}")
    _log.info("stopped")
    return 0


def _allow_connections() -> None:
    """Let as many be open as the system allows: a shell's usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _listen(settings: Settings) -> socket.socket:
    """A socket bound before the model is loaded, so that a port in use is told at once."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


def _give_up(reason: str) -> int:
    _log.critical("%s", reason)
    return 1
