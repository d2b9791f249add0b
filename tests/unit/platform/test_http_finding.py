"""The table before the router: whatever is asked, the answer is FastAPI's own."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from guilder.platform.http.finding import find_quickly

# In an order in which it matters who is asked first.
PATHS = (
    "/",
    "/health",
    "/api/plans",
    "/api/plans/{code}",
    "/api/plans/current",  # never reached: what is declared before it takes any word
    "/api/orders/current",
    "/api/orders/{id}",
    "/api/{anything}/{id}/history",
    "/api/orders/{id}/history",
    "/{page}",
    "/{page}/{part}",
    "/files/{rest:path}",
)
ASKED = (
    "/",
    "/health",
    "/health/",
    "/api/plans",
    "/api/plans/",
    "/api/plans/pro",
    "/api/plans/current",
    "/api/orders/current",
    "/api/orders/7",
    "/api/orders/7/history",
    "/api/payments/7/history",
    "/api/payments/7/else",
    "/imprint",
    "/imprint/de",
    "/files/a",
    "/files/a/b/c",
    "/a/b/c/d/e",
    "//",
    "/api//7/history",
    "/API/plans",
)


def an_app(*, with_table: bool) -> FastAPI:
    app, router = FastAPI(openapi_url=None, redirect_slashes=False), APIRouter()
    for path in PATHS:
        router.add_api_route(path, saying(path), methods=["GET"])
    router.add_api_route("/api/orders/{id}", saying("post"), methods=["POST"])
    app.include_router(router)
    if with_table:
        find_quickly(app)
    return app


def saying(path: str) -> Callable[..., object]:
    async def say() -> str:
        return path

    return say


async def answers(app: FastAPI, method: str) -> dict[str, tuple[int, str]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        found = {path: await http.request(method, path) for path in ASKED}
    return {path: (answer.status_code, answer.text) for path, answer in found.items()}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
async def test_finds_what_fastapi_finds(method: str) -> None:
    plain = await answers(an_app(with_table=False), method)
    assert await answers(an_app(with_table=True), method) == plain
    if method == "GET":
        assert plain["/api/plans/current"] == (200, '"/api/plans/{code}"')
        assert plain["/api/orders/7/history"] == (200, '"/api/{anything}/{id}/history"')
