"""A small application behind the real edge, served by uvicorn on real PostgreSQL: toys, of three tenants."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
import uvicorn
from fastapi import FastAPI, Query
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, Response

from guilder.kernel import ids
from guilder.kernel.errors import Conflict, NotFound, Unauthenticated
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.page import page_of
from guilder.platform.auth.principal import Kind, Principal, Role
from guilder.platform.crypto import KeyRing, new_key
from guilder.platform.db.clocks import ClockDomain
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.http import access
from guilder.platform.http.access import AccessTable
from guilder.platform.http.app import build
from guilder.platform.http.envelope import Envelope, ListEnvelope, listed, ok
from guilder.platform.http.exchange import RequestHead
from guilder.platform.http.fields import CurrencyCode, IdOf, In, Instant, Metadata, MinorAmount, Name, Out
from guilder.platform.http.paging import PageParams
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visiting
from guilder.platform.http.settings import HttpSettings
from guilder.platform.http.shield import page_headers
from tests.support.database import DatabaseUrls
from tests.support.edge_access import ENDPOINTS, FIELDS

ORIGIN = "https://console.example.com"
PUBLIC_URL = "https://billing.example.com"
SANDBOX_NOW = datetime.fromisoformat("2031-05-05T05:05:05+00:00")
LIVE_NOW = datetime.fromisoformat("2026-02-03T04:05:06+00:00")

ToyId = Annotated[UUID, IdOf("toy")]

TABLES = """
create schema toys;
grant usage on schema toys to guilder_app, guilder_doctor;
create table toys.toy (
    tenant_id uuid not null, id uuid not null, customer_id uuid, name text not null, amount bigint not null,
    metadata jsonb not null default '{}', made_by text not null, made_at timestamptz not null,
    primary key (tenant_id, id), unique (tenant_id, name));
select platform.protect('toys.toy');
"""


class Line(In):
    amount: MinorAmount


class ToyIn(In):
    name: Name
    amount: MinorAmount = 0
    currency: CurrencyCode = "EUR"
    lines: list[Line] = []
    metadata: Metadata = {}
    at: Instant | None = None


class ToyOut(Out):
    id: ToyId
    name: str
    amount: int
    made_at: datetime


class NoSuchToy(NotFound):
    """There is no such toy."""

    code = "toy_not_found"


class Broken(Conflict):
    """This toy is broken."""

    code = "toy_broken"


@dataclass
class Doings:
    """What handlers were made to do, and did."""

    calls: int = 0
    later: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    clashes_left: int = 0
    raises: BaseException | None = None
    looks: int = 0


def to_wire(row: Any) -> ToyOut:
    return ToyOut(id=row["id"], name=row["name"], amount=row["amount"], made_at=row["made_at"])


async def insert(session: Session, body: ToyIn, *, fixed_id: UUID | None = None) -> ToyOut:
    row = await session.tx.fetchrow(
        """insert into toys.toy (tenant_id, id, customer_id, name, amount, made_by, made_at)
           values ($1, $2, $3, $4, $5, $6, $7) returning *""",
        session.tenant_id,
        fixed_id or ids.new(session.now),
        session.customer_filter,
        body.name,
        body.amount,
        session.tx.actor,
        session.now,
    )
    return to_wire(row)


def toy_router(doings: Doings) -> Router:
    router = Router(prefix="/api", tags=["toys"])
    _writes(router, doings)
    _odd_writes(router, doings)
    _reads(router)
    _rest(router)
    return router


def _writes(router: Router, doings: Doings) -> None:
    @router.post("/toys", status_code=201)
    async def make(session: Session, body: ToyIn) -> Envelope[ToyOut]:
        doings.calls += 1
        toy = await insert(session, body)
        doings.entered.set()
        if doings.hold is not None:
            await doings.hold.wait()
        if doings.clashes_left:
            doings.clashes_left -= 1
            raise asyncpg.DeadlockDetectedError("made up")
        if doings.raises is not None:
            raise doings.raises

        async def later() -> None:
            doings.later.append(body.name)

        session.after_commit(later)
        return ok(toy)

    @router.put("/toys")
    async def make_elsewhere(session: Session, body: ToyIn) -> Envelope[ToyOut]:
        return ok(await insert(session, body))


def _odd_writes(router: Router, doings: Doings) -> None:
    @router.post("/toys/refused")
    async def refuse(session: Session, body: ToyIn) -> Envelope[ToyOut]:
        doings.calls += 1
        await insert(session, body)
        raise Broken(field="name")

    @router.post("/toys/refused-answer", response_model=None)
    async def refuse_by_answer(session: Session, body: ToyIn) -> Response:
        await insert(session, body)
        return JSONResponse({"no": True}, 409)

    @router.post("/toys/slow", status_code=202, waits=True)
    async def slow(session: Session, body: ToyIn) -> Envelope[ToyOut]:
        toy = await insert(session, body)

        async def look(tx: Tx, now: datetime) -> BaseModel | None:
            doings.looks += 1
            row = await tx.fetchrow("select * from toys.toy where name = $1 and amount = 77", body.name)
            return None if row is None else ok(to_wire(row))

        session.wait_for(look)
        return ok(toy)

    @router.post("/toys/{toy_id}/wind")
    async def wind(session: Session, toy_id: ToyId) -> Envelope[ToyOut]:
        return ok(await find(session, toy_id))


def _reads(router: Router) -> None:
    @router.get("/toys")
    async def index(
        session: Session, page: PageParams, names: Annotated[list[str] | None, Query()] = None
    ) -> ListEnvelope[ToyOut]:
        rows = await session.tx.fetch(
            """select * from toys.toy where ($1::uuid is null or id < $1) and ($2::uuid is null or customer_id = $2)
               and ($4::text[] is null or name = any ($4)) order by id desc limit $3""",
            page.after,
            session.customer_filter,
            page.limit + 1,
            names,
        )
        return listed(page_of(rows, page, lambda row: row["id"]), to_wire)

    @router.get("/others")
    async def others(session: Session, page: PageParams) -> ListEnvelope[ToyOut]:
        rows = await session.tx.fetch("select * from toys.toy order by id desc limit $1", page.limit + 1)
        return listed(page_of(rows, page, lambda row: row["id"]), to_wire)

    @router.get("/toys/{toy_id}")
    async def get(session: Session, toy_id: ToyId) -> Envelope[ToyOut]:
        return ok(await find(session, toy_id))


def _rest(router: Router) -> None:
    @router.delete("/toys/{toy_id}", status_code=204)
    async def drop(session: Session, toy_id: ToyId) -> None:
        await session.tx.execute("delete from toys.toy where id = $1", toy_id)

    @router.get("/whoami")
    async def whoami(session: Session) -> Envelope[dict[str, Any]]:
        return ok(
            {
                "actor": session.tx.actor,
                "now": session.now.isoformat(),
                "request_id": session.tx.request_id,
                "traceparent": session.tx.traceparent,
                "base_url": session.base_url,
                "wait": session.prefer_wait_s,
                "version": session.version,
            }
        )

    @router.get("/crash")
    async def crash(session: Session) -> Envelope[None]:
        raise RuntimeError("secret: sk_live_123")

    @router.post("/hooks", raw_body=True, body_max=100)
    async def hook(visit: Visiting) -> JSONResponse:
        return JSONResponse({"ip": visit.client_ip})

    @router.get("/page/{token}")
    async def page(token: str) -> HTMLResponse:
        return HTMLResponse("<p>hello", headers=page_headers(nonce="n0nce", frame="https://js.example.com"))


async def find(session: Session, toy_id: UUID) -> ToyOut:
    row = await session.tx.fetchrow(
        "select * from toys.toy where id = $1 and ($2::uuid is null or customer_id = $2)",
        toy_id,
        session.customer_filter,
    )
    if row is None:
        raise NoSuchToy
    return to_wire(row)


class Door:
    """Knows its callers by heart: token -> principal."""

    def __init__(self) -> None:
        self.known: dict[str, Principal] = {}

    async def principal(self, request: RequestHead) -> Principal:
        found = self.known.get(request.bearer or "")
        if found is None:
            raise Unauthenticated
        return found

    def admit(self, token: str, tenant_id: TenantId, role: Role = Role.ADMIN, **about: Any) -> None:
        kind = Kind.CUSTOMER_USER if about.get("customer_id") else Kind.API_KEY
        self.known[token] = Principal(kind, f"key_{token}", tenant_id, role, **about)


class Clocks:
    def __init__(self, sandbox: TenantId) -> None:
        self.sandbox = sandbox

    async def domains(self, tx: Tx, tenants: Iterable[TenantId]) -> list[ClockDomain]:
        return [ClockDomain(frozenset({each}), SANDBOX_NOW if each == self.sandbox else LIVE_NOW) for each in tenants]

    def on_the_wall(self) -> datetime:
        return LIVE_NOW


@dataclass
class Toy:
    app: FastAPI
    urls: DatabaseUrls
    database: Database
    doings: Doings
    door: Door
    port: int
    client: httpx.AsyncClient
    admin: "asyncpg.Connection[asyncpg.Record]"

    async def count(self, name: str | None = None) -> int:
        sql = "select count(*) from toys.toy where $1::text is null or name = $1"
        return int(await self.admin.fetchval(sql, name))

    async def raw(self, request: bytes, *, timeout_s: float = 60) -> bytes:
        """Send bytes as they are, on a connection of their own, and read until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            async with asyncio.timeout(timeout_s):
                return await reader.read()
        finally:
            writer.close()

    async def post_bytes(self, body: bytes, path: str = "/api/toys", **headers: str) -> httpx.Response:
        return await self.client.post(
            path, content=body, headers={"Content-Type": "application/json", **a_key("admin"), **headers}
        )


def a_key(token: str = "admin") -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def settings(**changes: Any) -> HttpSettings:
    return HttpSettings(public_url=PUBLIC_URL, cors_origins=frozenset({ORIGIN}), **changes)


@asynccontextmanager
async def serve_toy(urls: DatabaseUrls, *, database_url: str | None = None, **changes: Any) -> AsyncIterator[Toy]:
    """Serve the toys; `urls` is a migrated database, `changes` go to the settings or to `build`."""
    owner = await asyncpg.connect(urls.owner)
    if await owner.fetchval("select to_regclass('toys.toy') is null"):
        await owner.execute(TABLES)
    await owner.close()
    admin = await asyncpg.connect(urls.admin)
    database = await Database.connect(database_url or urls.app, size_max=25)
    doings, door = Doings(), Door()
    app = build(
        routers=[toy_router(doings)],
        access=_table(has_metrics="metrics" in changes),
        authenticate=door,
        clocks=Clocks(_admit_all(door)),
        database=database,
        keys=KeyRing([new_key("test")]),
        **{name: changes.pop(name) for name in list(changes) if name in BUILD_OPTIONS},
        settings=settings(**changes),
    )
    async with _served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        try:
            yield Toy(app, urls, database, doings, door, port, client, admin)
        finally:
            await admin.close()
    await database.close()


def _table(*, has_metrics: bool) -> AccessTable:
    whole = access.read(ENDPOINTS, FIELDS)
    return whole if has_metrics else whole.without("/metrics")


BUILD_OPTIONS = ("ready_checks", "troubles", "metrics", "observe", "clock", "limiter", "answers")


def _admit_all(door: Door) -> TenantId:
    tenant, other, sandbox = (TenantId(ids.new(LIVE_NOW)) for _ in range(3))
    customer, neighbour = (CustomerId(ids.new(LIVE_NOW)) for _ in range(2))
    door.admit("admin", tenant)
    door.admit("second", tenant)
    door.admit("member", tenant, Role.MEMBER)
    door.admit("reader", tenant, scopes=frozenset({"toys:read"}))
    door.admit("other", other)
    door.admit("sandbox", sandbox, mode="sandbox")
    door.admit("customer", tenant, Role.BILLING, customer_id=customer)
    door.admit("neighbour", tenant, Role.ADMIN, customer_id=neighbour)
    return sandbox


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, server_header=False, proxy_headers=False, lifespan="on")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()
