"""The application: its routes, its background task, and how it refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulated_provider import api, pages, sim
from simulated_provider.courier import Courier
from simulated_provider.desk import Desk
from simulated_provider.state import Store
from simulated_provider.wire import Problem, refusal


def create_app(data_folder: Path | str, *, public_url: str | None = None) -> Starlette:
    """Make the provider on a folder of its own; `public_url` is where browsers find it, else as it was called.

    Webhooks are delivered while its lifespan runs; without it the API alone is served.
    """
    store = Store(Path(data_folder))
    courier = Courier(store)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(courier.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await courier.close()
        store.close()

    app = Starlette(
        routes=[Route("/health", health), *api.ROUTES, *sim.ROUTES, *pages.ROUTES],
        lifespan=lifespan,
        exception_handlers={Problem: _refuse, HTTPException: _not_here, Exception: _our_mistake},
    )
    app.state.desk = Desk(store=store, courier=courier, public_url=public_url)
    return app


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "service": "simulated-provider"})


def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return refusal(problem)


def _not_here(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    code = "method_not_allowed" if refused.status_code == 405 else "route_unknown"
    return refusal(Problem(refused.status_code, code, f"{request.method} {request.url.path}: {refused.detail}."))


def _our_mistake(request: Request, mistake: Exception) -> Response:
    return refusal(Problem(500, "internal_error", "The simulated provider made a mistake; its log says which."))
