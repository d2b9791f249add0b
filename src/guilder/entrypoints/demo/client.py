"""The API as the demo uses it. Everything here may be asked twice, and does a thing once."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI

LOOK_EVERY_S = 0.1
VALIDATED_WITHIN_S = 30.0
ARRIVED_WITHIN_S = 120.0


class DemoStuck(Exception):
    """The demo data could not be made; says where it stopped."""


class Api:
    """One tenant's view of the API, served in this process. `start` is when its story begins."""

    def __init__(self, client: httpx.AsyncClient, start: datetime) -> None:
        self._client = client
        self.start = start

    async def find(self, path: str, **query: str) -> Any:
        """Return what is there, or None."""
        answer = await self._client.get(path, params=query)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _data(answer)

    async def put(self, path: str, body: Any) -> Any:
        return _data(await self._client.put(path, json=body))

    async def post(self, path: str, body: Any) -> Any:
        return _data(await self._client.post(path, json=body))

    async def ensure(self, folder: str, name: str, body: dict[str, Any]) -> None:
        """Make what is not there yet under this name."""
        if await self.find(f"{folder}/{name}") is None:
            await self.post(folder, body)

    async def card(self, who: str, token: str) -> None:
        path = f"/api/customers/{who}/payment-methods"
        if not await self.find(path):
            await self.post(path, {"token": token})
        for _ in range(int(VALIDATED_WITHIN_S / LOOK_EVERY_S)):
            methods = await self.find(path)
            if methods and methods[0]["status"] != "pending":
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise DemoStuck(f"the card of {who} was not validated")

    async def subscribe(self, who: str, plan: str, cycle: str, *, code: str | None = None) -> None:
        if await self.find(f"/api/subscriptions/{who}") is not None:
            return
        body = {
            "organization_id": who,
            "plan_id": plan,
            "billing_cycle": cycle,
            "payment_method_id": await self._pays(who),
        }
        await self.post("/api/subscriptions", {**body, "promo_code": code} if code else body)

    async def buy(self, who: str, product: str) -> None:
        if not await self.find("/api/orders", customer=who):
            await self.post("/pay", {"customer": who, "product": product, "payment_method_id": await self._pays(who)})

    async def cancel(self, who: str) -> None:
        subscription = await self.find(f"/api/subscriptions/{who}")
        if not subscription["cancel_at_period_end"]:
            _data(await self._client.delete(f"/api/subscriptions/{subscription['id']}"))

    async def take_seats(self, who: str, quantity: int) -> None:
        subscription = await self.find(f"/api/subscriptions/{who}")
        if subscription["quantity"] != quantity:
            await self.put(f"/api/subscriptions/{subscription['id']}", {"quantity": quantity, "when": "now"})

    async def pause(self, who: str) -> None:
        subscription = await self.find(f"/api/subscriptions/{who}")
        if subscription["status"] == "active":
            await self.post(f"/api/subscriptions/{subscription['id']}/pause", {})

    async def resume(self, who: str) -> None:
        subscription = await self.find(f"/api/subscriptions/{who}")
        if subscription["status"] == "paused":
            await self.post(f"/api/subscriptions/{subscription['id']}/resume", {})

    async def use(self, events: list[dict[str, Any]]) -> None:
        """Send readings: each is counted once by its id."""
        await self.post("/api/usage", {"events": events})

    async def invoice(self, who: str, body: dict[str, Any]) -> None:
        """Make an invoice by hand; its memo says whether it was made before."""
        mine = await self._invoices(who)
        if not any(each["memo"] == body["memo"] for each in mine):
            await self.post("/api/invoices", {**body, "customer_id": await self._id_of(who)})

    async def credit(self, who: str, amount: int, reason: str) -> None:
        """Credit a part of what was paid last."""
        if not await self._invoices(who, kind="credit_note"):
            [paid, *_] = [each for each in await self._invoices(who, status="paid") if each["total"] >= amount]
            await self.post(f"/api/invoices/{paid['id']}/credit-notes", {"amount": amount, "reason": reason})

    async def _invoices(self, who: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.find("/api/invoices", customer_id=await self._id_of(who), **query)
        return found

    async def _id_of(self, who: str) -> str:
        found: str = (await self.find(f"/api/customers/{who}"))["id"]
        return found

    async def advance(self, to: str) -> None:
        """Move the clock, and wait until the sandbox is at rest."""
        await self.post("/api/clock/advance", {"to": to})
        clock = await self.standing_clock()
        if clock["state"] == "failed":
            raise DemoStuck(f"the sandbox's clock was halted at {clock['now']}: {clock['detail']}")

    async def standing_clock(self) -> Any:
        """Wait until the clock stands, whoever sent it on its way."""
        for _ in range(int(ARRIVED_WITHIN_S / LOOK_EVERY_S)):
            clock = await self.find("/api/clock")
            if clock["state"] != "advancing":
                return clock
            await asyncio.sleep(LOOK_EVERY_S)
        raise DemoStuck("the sandbox's clock does not arrive")

    async def _pays(self, who: str) -> str:
        methods = await self.find(f"/api/customers/{who}/payment-methods")
        found: str = methods[0]["id"]
        return found


def api_client(app: FastAPI, base_url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url=base_url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    )


def _data(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise DemoStuck(
            f"{answer.request.method} {answer.request.url.path} was answered {answer.status_code}: {answer.text[:300]}"
        )
    return answer.json()["data"]
