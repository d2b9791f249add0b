"""A whole house in this process: its API as it is served, on a database of its own, with an admin's key for whoever asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from guilder.domain.identity import service as identity
from guilder.entrypoints import answering
from guilder.entrypoints.house import House, open_house
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from tests.support.builders.identity import a_company
from tests.support.processes import Installation
from tests.support.siege import Operation, operations_of, settings_of


@dataclass
class Asked:
    """An admin's key of one sandbox."""

    tenant_id: TenantId
    key: str
    http: httpx.AsyncClient

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={**self.headers, **more.pop("headers", {})}, **more)

    async def post(self, path: str, body: Any = None) -> Any:
        answer = await self("POST", path, json=body or {})
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json()["data"]

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self("GET", path, params=params)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json()["data"]


@dataclass
class Inside:
    installation: Installation
    house: House
    app: FastAPI
    http: httpx.AsyncClient
    operations: list[Operation] = field(default_factory=list)

    async def a_sandbox(self) -> Asked:
        """Found a company, and a sandbox of it on the wall's present."""
        now, database = self.house.clock.now(), self.house.database
        company = TenantId(ids.new(now))
        async with database.transaction([company], actor="test") as tx:
            await a_company(tx, tenant_id=company, now=now)
            made = await identity.create_sandbox(tx, name="Sandbox", starts_at=None, now=now)
        return Asked(made.tenant.tenant_id, made.text, self.http)


@asynccontextmanager
async def a_house(installation: Installation) -> AsyncIterator[Inside]:
    async with open_house(settings_of(installation)) as house:
        app = answering.api(house)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=installation.base_url) as http:
            yield Inside(installation, house, app, http, operations_of(app))


async def lightly_furnished(asked: Asked) -> dict[str, str]:
    """Give a sandbox in which nobody works what needs no worker; return ids by the names that fields and paths have."""
    plan = await asked.post(
        "/api/plans",
        {"code": "pro", "name": "Pro", "prices": [{"billing_cycle": "monthly", "amount": 3000, "currency": "EUR"}]},
    )
    product = {"code": "film", "name": "A Film", "prices": [{"amount": 499, "currency": "EUR"}]}
    made = {"product_id": await asked.post("/api/products", product)}
    about = {"organization_id": "acme", "name": "Acme", "email": "billing@acme.example", "kind": "organization"}
    made["customer_id"] = await asked.post("/api/customers", about)
    order = {"organization_id": "acme", "plan_id": "pro", "billing_cycle": "monthly"}
    made["subscription_id"] = subscription = await asked.post("/api/subscriptions", order)
    made["order_id"] = await asked.post("/pay", {"customer": "acme", "product": "film"})
    made["meter_id"] = await asked.post("/api/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    reading = {"organization_id": "acme", "meter": "calls"}
    await asked.post("/api/usage", {"event_id": "a-reading", "value": "3", **reading})
    made["alert_id"] = await asked.post("/api/usage/alerts", {"threshold": "99", **reading})
    rate = {"name": "VAT", "percent": "21", "country": "NL"}
    made["tax_rate_id"] = await asked.post("/api/tax-rates", rate)
    hook = {"url": "http://127.0.0.1:9/hook", "events": ["*"], "allows_loopback": True}
    made["endpoint_id"] = await asked.post("/api/webhook-endpoints", hook)
    made["issuer_id"] = await asked.post(
        "/api/issuers",
        {"legal_name": "Acme", "number_format": "B-{year}-{number:05}", "credit_note_format": "BC-{year}-{number:05}"},
    )
    accounts = await asked.get("/api/gateways")
    return {
        **{name: str(each["id"]) for name, each in made.items()},
        "plan_id": plan["id"],
        "invoice_id": str(subscription["invoice_id"]),
        "organization_id": "acme",
        "customer": "acme",
        "meter": "calls",
        "product": "film",
        "event_id": "a-reading",
        **({"account_id": accounts[0]["id"]} if accounts else {}),
    }
