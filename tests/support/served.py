"""Routers behind the real edge, on real PostgreSQL, asked in this process; keys made as people make them."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role, Tenant, TrustKind
from guilder.kernel.noun import replace
from guilder.platform.auth.passwords import Passwords
from guilder.platform.auth.principal import ALL_SCOPES
from guilder.platform.cache.near import Near
from guilder.platform.clock import HandClock
from guilder.platform.db.database import Database
from guilder.platform.http.app import build
from guilder.platform.http.at_hand import AtHand
from guilder.platform.http.limits import InProcess
from guilder.platform.http.router import Router
from guilder.platform.http.settings import HttpSettings
from guilder.wiring import access
from tests.support.ground import RING
from tests.support.identity_provider import ISSUER, NOW, PARTY, Seconds, SigningKey, claims

KEY = SigningKey("served")
AT_HAND_MAX = 100
PUBLIC_URL = "https://billing.example.com"


@dataclass
class Served:
    app: FastAPI
    database: Database
    clock: HandClock
    client: httpx.AsyncClient

    async def key_of(self, tenant: Tenant, role: Role = Role.ADMIN, scopes: Sequence[str] = (ALL_SCOPES,)) -> "Asking":
        """Ask with a new API key of this tenant."""
        async with self.database.transaction([tenant.tenant_id], actor="test") as tx:
            _, text = await identity.mint_key(tx, name="t", role=role, scopes=scopes, expires_at=None, now=NOW)
        return Asking(self.client, text)

    async def trusts(self, tenant: Tenant) -> None:
        async with self.database.transaction([tenant.tenant_id], actor="test") as tx:
            pem = KEY.pem().decode()
            await identity.trust(
                tx, kind=TrustKind.CLERK, issuer=ISSUER, public_key_pem=pem, authorized_parties=[PARTY], now=NOW
            )

    def user_of(self, organization_id: str, role: str = "admin") -> "Asking":
        """Ask with the token of a user of this organization; the tenant trusts the issuer (`trusts`)."""
        return Asking(self.client, KEY.sign(claims(org_id=organization_id, org_role=role)))

    def nobody(self) -> "Asking":
        return Asking(self.client, None)

    def browser(self, **headers: str) -> httpx.AsyncClient:
        """Open a browser: it keeps its own cookies, and says that it stands on a page of ours."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        said = {"Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 Firefox/140.0"} | headers
        base_url = self.app.state.edge.settings.public_url
        return httpx.AsyncClient(transport=transport, base_url=base_url, headers=said)


@dataclass
class Asking:
    """Somebody who asks."""

    client: httpx.AsyncClient
    token: str | None

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            said["authorization"] = f"Bearer {self.token}"
        return await self.client.request(method, path, json=body, headers=said)


@asynccontextmanager
async def served(
    database: Database,
    routers: Sequence[Router],
    *,
    now: datetime = NOW,
    public_url: str = PUBLIC_URL,
    near: Near | None = None,
    runs: bool = False,
    **more: Any,
) -> AsyncIterator[Served]:
    """Serve these routers; `more` goes to `build`. What is remembered (`near`) grows old by hand, or by itself (`runs`)."""
    clock = _Running(now) if runs else HandClock(now)
    ticking = _Ticking(clock)
    limiter = InProcess(ticking.monotonic)
    async with httpx.AsyncClient() as outside:
        verifiers = identity.Verifiers(client=outside, monotonic=Seconds())
        known = identity.Authentication(
            database,
            verifiers,
            clock,
            customer_of=customers.customer_of,
            public_url=public_url,
            passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)),
            near=near,
        )
        app = build(
            routers=routers,
            access=replace(access.table(), is_partial=True),
            authenticate=known,
            clocks=identity.Clocks(clock),
            database=database,
            keys=RING,
            clock=ticking,
            at_hand=AtHand(near, known, limiter, clock, size_max=AT_HAND_MAX) if near else None,
            **{"settings": HttpSettings(public_url=public_url), "limiter": limiter, **more},
        )
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=public_url) as client:
            yield Served(app, database, clock, client)


class _Running(HandClock):
    """Dates set by hand, and seconds as they are."""

    def monotonic(self) -> float:
        return time.monotonic()


class _Ticking:
    """The present set by hand, and seconds that pass: whoever waits must once have waited long enough."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self._seconds = Seconds()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        self._seconds.move(0.05)
        return self._seconds()
