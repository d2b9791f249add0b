"""Webhooks of the simulated provider, to a site that takes them in by one way or another."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from guilder.domain.gateways import routes as gateway_routes
from tests.support.identity_provider import NOW
from tests.support.nearby import listening
from tests.support.served import served

WAYS = ("ahead", "the whole way", "fetched first")


@asynccontextmanager
async def a_site(database, till, monkeypatch, *, way: str) -> AsyncIterator:
    """A site that takes webhooks in ahead of FastAPI, one that does not, or one whose provider is verified by what has to be
    fetched.
    """
    monkeypatch.setattr(till.gateway, "verifies_alone", way != "fetched first", raising=True)
    async with listening(database) as near, served(database, [gateway_routes.router], now=NOW, near=near) as site:
        site.app.state.gateways = {till.gateway.name: till.gateway}
        if way == "the whole way":
            site.app.ahead = None
        yield site


async def post(site, till, body: bytes, headers: dict, path: str | None = None):
    path = path or f"/api/webhooks/simulated/{till.account.endpoint_id}"
    return await site.client.post(path, content=body, headers={"content-type": "application/json", **headers})


def an_event(till, **over):
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 4900,
        "currency": "EUR",
        "metadata": {"business_key": f"{till.tenant.tenant_id}:{uuid4()}:1"},
        "payment_method_details": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034},
        **over.pop("intent", {}),
    }
    said = {
        "id": f"evt_{uuid4().hex}",
        "type": "payment_intent.succeeded",
        "created": 1,
        "account": till.merchant.account,
    }
    return {**said, "data": {"object": intent}, **over}


async def kept(till):
    async with till.tx() as tx:
        rows = await tx.fetch("select type, ignored_because from gateways.notices order by id")
    return [tuple(row) for row in rows]


def a_dispute(till):
    dispute = {"object": "dispute", "status": "needs_response", "reason": "fraudulent", "charge": "ch_1"}
    return an_event(till, type="charge.dispute.created", intent={**dispute, "id": f"dp_{uuid4().hex}"})


async def calls_of(till):
    async with till.tx() as tx:
        rows = await tx.fetch(
            "select request_id, payload::text as said from platform.log where topic = 'audit.calls' order by id"
        )
    recorded = {row["request_id"]: json.loads(row["said"]) for row in rows}
    assert len(recorded) == len(rows), "a call was recorded twice"
    return recorded
