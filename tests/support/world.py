"""A sandbox of an installation, driven from outside as its users would: over HTTP, with a clock that can be moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import httpx

from guilder.domain.identity import service as identity
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.clock import WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from tests.support.builders.identity import a_company
from tests.support.database import connected
from tests.support.processes import Installation, until

ADVANCE_TIMEOUT_S = 180


@dataclass(slots=True)
class World:
    """One sandbox and its key. Every helper asserts that what it did was answered well."""

    installation: Installation
    tenant_id: TenantId
    api_key: str
    http: httpx.AsyncClient
    _heard_to: int = field(default=0)

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()["data"]

    async def post(
        self, path: str, body: Any = None, *, expect: tuple[int, ...] = (200, 201, 202), **headers: str
    ) -> Any:
        answer = await self.http.post(path, json=body or {}, headers=headers)
        assert answer.status_code in expect, (path, answer.status_code, answer.text)
        return answer.json().get("data") if answer.is_success else answer.json()

    async def put(self, path: str, body: Any) -> Any:
        answer = await self.http.put(path, json=body)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()["data"]

    async def delete(self, path: str, **query: Any) -> Any:
        answer = await self.http.delete(path, params=query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()["data"]

    async def plan(self, code: str = "pro", *, amount: int = 3000, currency: str = "EUR", **over: Any) -> Any:
        return await self.post(
            "/api/plans",
            {
                "code": code,
                "name": code.title(),
                "prices": [{"billing_cycle": "monthly", "amount": amount, "currency": currency}],
                "features": [{"code": "reports", "name": "Reports"}],
                "limits": [{"code": "seats", "name": "Seats", "included": 5}],
                **over,
            },
        )

    async def customer(self, organization_id: str = "acme", **over: Any) -> Any:
        return await self.post(
            "/api/customers",
            {
                "organization_id": organization_id,
                "name": organization_id.title(),
                "email": f"billing@{organization_id}.example",
                "kind": "organization",
                **over,
            },
        )

    async def subscribe(self, organization_id: str = "acme", plan: str = "pro", **over: Any) -> Any:
        return await self.post(
            "/api/subscriptions",
            {"organization_id": organization_id, "plan_id": plan, "billing_cycle": "monthly", **over},
        )

    async def subscriber(self, organization_id: str = "acme", plan: str = "pro", **over: Any) -> Any:
        """A customer whose card is good, subscribed."""
        about = {name: over.pop(name) for name in ("time_zone", "address", "vat_id", "language") if name in over}
        await self.customer(organization_id, **about)
        card = await self.card(organization_id, "pm_card_ok")
        return await self.subscribe(organization_id, plan, payment_method_id=card["id"], **over)

    async def change(self, subscription: Any, **wish: Any) -> Any:
        return await self.put(f"/api/subscriptions/{subscription['id']}", wish)

    async def subscription(self, subscription: Any) -> Any:
        return await self.get(f"/api/subscriptions/{subscription['id']}")

    async def meter(self, code: str = "calls", aggregation: str = "sum", **over: Any) -> Any:
        return await self.post("/api/meters", {"code": code, "name": code, "aggregation": aggregation, **over})

    async def use(
        self, event_id: str, value: int | str = 1, *, by: str = "acme", meter: str = "calls", **over: Any
    ) -> Any:
        """Send one reading; `timestamp` says when it is dated, if not now."""
        body = {"event_id": event_id, "organization_id": by, "meter": meter, "value": value, **over}
        return await self.post("/api/usage", body)

    async def tax(self, percent: str = "21", name: str = "VAT") -> Any:
        return await self.put("/api/tax-rates/default", {"name": name, "percent": percent})

    async def shares_bills(self) -> None:
        """Let what falls due for a customer at one instant be on one bill."""
        [issuer] = await self.get("/api/issuers")
        answer = await self.http.patch(f"/api/issuers/{issuer['id']}", json={"consolidates": True})
        assert answer.status_code == 200, answer.text

    async def invoices(self, organization_id: str = "acme") -> list[Any]:
        """Return a customer's invoices and credit notes, oldest first."""
        customer = await self.get(f"/api/customers/{organization_id}")
        found: list[Any] = await self.get("/api/invoices", customer_id=customer["id"], limit=200)
        return sorted(found, key=lambda each: (each["issued_at"], each["created_at"], each["id"]))

    async def card(self, organization_id: str, token: str) -> Any:
        """Save a card by one of the provider's test tokens, and wait until it was validated."""
        asked = await self.post(f"/api/customers/{organization_id}/payment-methods", {"token": token})

        async def validated() -> Any:
            methods = await self.get(f"/api/customers/{organization_id}/payment-methods")
            return next((m for m in methods if m["id"] == asked["id"] and m["status"] != "pending"), None)

        return await until(validated, what="the card's validation")

    async def pay(self, link: str, card: str = "4242424242424242") -> httpx.Response:
        """Open a payment link and pay as a customer would, on the provider's page."""
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=60) as browser:
            page = await browser.get(link)
            assert page.status_code == 200, page.text
            hosted = await browser.post(f"{link}/pay")

            async def at_the_provider() -> Any:
                nonlocal hosted
                if str(hosted.url).startswith(self.installation.provider_url):
                    return hosted
                hosted = await browser.get(f"{link}?opening=1")  # as the page does by itself
                return None

            await until(at_the_provider, what="the way to the provider's page")
            form = {"number": card, "expiry": "12 / 34", "cvc": "123", "name": "A. Customer"}
            return await browser.post(str(hosted.url), data=form)

    async def advance(self, **by: Any) -> Any:
        """Move the clock (`to="2026-03-01T00:00:00Z"` or `days=31`), and wait until the sandbox is at rest."""
        body = {"to": by["to"]} if "to" in by else {"by": by}
        await self.post("/api/clock/advance", body)

        async def arrived() -> Any:
            clock = await self.get("/api/clock")
            assert clock["state"] != "failed", clock
            return clock if clock["state"] == "at_rest" else None

        return await until(arrived, timeout_s=ADVANCE_TIMEOUT_S, what="the clock's arrival")

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self.get("/api/clock"))["now"])

    async def heard(self) -> list[str]:
        """Return the names of what the business announced since this was last asked, in order; calls are for the audit."""
        async with connected(self.installation.urls.admin) as admin:
            rows = await admin.fetch(
                """select id, name from platform.log
                    where tenant_id = $1 and id > $2 and not starts_with(topic, 'audit.') order by id""",
                self.tenant_id,
                self._heard_to,
            )
        if rows:
            self._heard_to = rows[-1]["id"]
        return [row["name"] for row in rows]

    async def journal(self) -> dict[str, Any]:
        """Return the provider's own journal of this sandbox's account."""
        accounts = await self.get("/api/gateways")
        answer = httpx.get(f"{self.installation.provider_url}/sim/journal", trust_env=False, timeout=60)
        mine = str(self.tenant_id)
        found = answer.json()
        assert accounts
        return {kind: [row for row in rows if mine in str(row.get("business_key"))] for kind, rows in found.items()}

    async def mails(self, organization_id: str) -> list[str]:
        """Return the kinds of the messages to a customer, oldest first."""
        customer = await self.get(f"/api/customers/{organization_id}")
        answer = await self.http.get("/api/notifications", params={"customer_id": customer["id"], "limit": 200})
        assert answer.status_code == 200, answer.text
        return [each["kind"] for each in reversed(answer.json()["data"]) if each["channel"] == "email"]

    def absolute(self, path: str) -> str:
        return urljoin(self.installation.base_url, path)


@asynccontextmanager
async def a_world(installation: Installation, *, starts_at: datetime | None = None) -> AsyncIterator[World]:
    """Found a company and a sandbox of it, whose clock starts at `starts_at`."""
    clock = WallClock()
    database = await Database.connect(
        installation.urls.app, size_max=2, vault=Vault(KeyRing.in_folder(installation.folder))
    )
    try:
        company = TenantId(ids.new(clock.now()))
        async with database.transaction([company], actor="test") as tx:
            await a_company(tx, tenant_id=company, now=clock.now())
            made = await identity.create_sandbox(tx, name="Sandbox", starts_at=starts_at, now=clock.now())
    finally:
        await database.close()
    headers = {"Authorization": f"Bearer {made.text}"}
    async with httpx.AsyncClient(base_url=installation.base_url, headers=headers, trust_env=False, timeout=30) as http:
        world = World(installation, made.tenant.tenant_id, made.text, http)

        async def connected_to_the_provider() -> Any:
            return await world.get("/api/gateways")

        await until(connected_to_the_provider, what="the sandbox's connection to the provider")
        yield world
