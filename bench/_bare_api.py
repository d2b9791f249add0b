"""The yardstick of what is taken in one by one: Starlette, asyncpg, one insert and its commit a request, and nothing else.

PORT=… DATABASE_URL=… python bench/_bare_api.py
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

POOL = 20


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=POOL, max_size=POOL) as pool:
        app.state.pool = pool
        yield


async def insert(request: Request) -> JSONResponse:
    body = await request.json()
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(
            "insert into bench.bare (event_id, body) values ($1, $2) on conflict (event_id) do nothing",
            body["event_id"],
            str(body),
        )
    return JSONResponse({"received": True})


app = Starlette(routes=[Route("/bare", insert, methods=["POST"])], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
    )
