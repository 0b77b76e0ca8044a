"""create_app: the wiring of the service, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.examples import add_examples
from app.lingering import LingeringMiddleware
from app.middleware import RequestMiddleware
from app.problems import add_problem_handlers
from app.routes import health, model, pages, predict, sagemaker
from app.service import Load, Service, load_predictor
from app.settings import Settings

TITLE = "Garment classifier"
DESCRIPTION = """\
One photo of a garment in, one of ten categories out, with a probability that means what it says
and a flag when a person should look. Errors are RFC 9457 problem+json, each with a stable `code`.
"""


def create_app(
    settings: Settings,
    on_failure: Callable[[str], None] = lambda _: None,
    load: Load = load_predictor,
    endpoint: bool = False,
) -> FastAPI:
    """The ASGI app.

    Args:
        settings: all of them.
        on_failure: told, in one line, why the model could not be loaded; the app itself stays
            unready then.
        load: gives the predictor.
        endpoint: whether it is the container of a SageMaker endpoint, and has that one's paths.
    """
    service = Service(settings, on_failure, load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    routers = [predict.router, model.router, health.router, pages.router]
    if endpoint:
        routers.append(sagemaker.router)
    app = FastAPI(
        # As its own and the first: of an included router each request is looked for twice.
        routes=[route for router in routers for route in router.routes],
        title=TITLE,
        description=DESCRIPTION,
        version=version("garment-classifier"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # few clients send a photo again where they are sent on
    )
    _answer_head(app)
    app.state.service = service
    app.add_middleware(RequestMiddleware, metrics=service.metrics)
    app.add_middleware(LingeringMiddleware)  # around it: its log tells when the answer was sent
    add_problem_handlers(app)
    return app


def _answer_head(app: FastAPI) -> None:
    """Let each GET route take HEAD too, which is no operation of its own in the document."""
    documented = list(app.routes)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=documented,
            )
            add_examples(app.openapi_schema)
        return app.openapi_schema

    app.router.routes[:] = map(_with_head, documented)
    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _with_head(route: BaseRoute) -> BaseRoute:
    """A route that takes HEAD where it takes GET: many monitors and load balancers ask by it."""
    if not isinstance(route, APIRoute) or route.methods != {"GET"}:
        return route
    both = copy(route)  # its router is shared by all apps
    both.methods = {"GET", "HEAD"}
    return both
