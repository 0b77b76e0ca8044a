"""What people look at in a browser: the page at /, Swagger UI at /docs, and their files.

Everything comes from `app/web`; nothing is loaded from another host, so both work without a
network. The pages refer to each other by relative addresses, so they also work behind a proxy that
serves the service under a path of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parent.parent / "web"

# data: for the explanations on the page, and for the icons in Swagger UI's style sheet.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    # Asked for again each time, answered with 304 when unchanged: an update is seen at once.
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_HEADERS = {**_HEADERS, "Content-Security-Policy": _POLICY}


class _WebFiles(StaticFiles):
    """Static files with this module's headers; conditional requests are StaticFiles' own."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response


router = APIRouter(include_in_schema=False)
router.mount("/web", _WebFiles(directory=WEB), name="web")


@router.get("/")
async def page() -> FileResponse:
    """The page where people try their own photos."""
    return FileResponse(WEB / "index.html", headers=_PAGE_HEADERS)


@router.get("/favicon.ico")
async def favicon() -> FileResponse:
    """What browsers ask for where no page names an icon, such as at /model."""
    return FileResponse(WEB / "favicon.svg", headers=_HEADERS)


@router.get("/docs")
async def docs() -> FileResponse:
    """Swagger UI over /openapi.json."""
    return FileResponse(WEB / "docs.html", headers=_PAGE_HEADERS)
