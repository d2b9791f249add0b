"""The clients: each asks for one thing after the other, of whichever customer it meets, and insists until it knows."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from tests.chaos.asking import PLAIN, Asker, OpLog, anonymous
from tests.chaos.town import GOOD, PLANS, PRODUCT, TOKENS, Customer, Sandbox

PAUSE_S = (0.05, 0.6)  # between one wish of a client and its next
# A clock arrives only where all that is known has been done. So one sandbox trades on with most of the clients while its
# clock moves, and gets on slowly; the others are all but still meanwhile, and get through many periods.
OF_THE_MARKET = 0.6
HUSHED = {True: 3, False: 40}
CLOCK_PAUSE_S = (0.5, 2.0)
TWICE = 0.1  # how often something is asked once more with the same key, though it was answered
AT_ONCE = 0.05  # how often it is asked twice at the same time


@dataclass
class Driver:
    """Runs the clients and the sandboxes' clocks in a thread with a loop of its own: blows block the main thread."""

    base_url: str
    sandboxes: list[Sandbox]
    log: OpLog
    clients: int
    seed: int
    advances: int = 0
    failure: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="clients", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let nothing new begin; what is being insisted on goes on until its client knows."""
        self._stop.set()

    def is_done(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join(120)
        assert not self._thread.is_alive(), "the clients do not come to an end"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._everybody())
        except BaseException as error:
            self.failure = error

    async def _everybody(self) -> None:
        async with asyncio.TaskGroup() as group:
            traders = round(self.clients * OF_THE_MARKET)
            market, *others = self.sandboxes
            for number in range(self.clients):
                place = market if number < traders else others[number % len(others)]
                group.create_task(self._client(number, place, hushed=HUSHED[place is market]))
            for number, sandbox in enumerate(self.sandboxes):
                group.create_task(self._clock(number, sandbox))

    def _asker(self, http: httpx.AsyncClient, client: str, sandbox: Sandbox, rng: random.Random) -> Asker:
        http.headers["Authorization"] = sandbox.headers["Authorization"]
        return Asker(http, self.log, client, sandbox.name, rng)

    async def _client(self, number: int, sandbox: Sandbox, *, hushed: int) -> None:
        rng = random.Random(f"{self.seed} {number}")
        async with anonymous(self.base_url) as http:
            asker = self._asker(http, f"client{number}", sandbox, rng)
            wishes = Wishes(asker, sandbox)
            while not self._stop.is_set():
                await wishes.one()
                await asyncio.sleep(rng.uniform(*PAUSE_S) * (hushed if sandbox.is_moving else 1))

    async def _clock(self, number: int, sandbox: Sandbox) -> None:
        """Move a sandbox's clock on and on, each time when it has arrived: days that meet periods' ends, and months."""
        rng = random.Random(f"{self.seed} clock {number}")
        async with anonymous(self.base_url) as http:
            asker = self._asker(http, f"clock{number}", sandbox, rng)
            while not self._stop.is_set():
                by = rng.choice([{"days": rng.randint(3, 20)}, {"months": 1}, {"days": 31, "hours": 5}])
                moved = await asker.insist(
                    "clock", "POST", "/api/clock/advance", {"by": by}, key=f"clock-{rng.random()}"
                )
                sandbox.is_moving = moved is not None
                while sandbox.is_moving and not self._stop.is_set():
                    clock = await asker.read("clock", "/api/clock")
                    if clock and clock["state"] != "advancing":
                        self.advances += 1
                        sandbox.is_moving = False
                    await asyncio.sleep(0.4)
                await asyncio.sleep(rng.uniform(*CLOCK_PAUSE_S))


@dataclass
class Wishes:
    """What one client may want."""

    asker: Asker
    sandbox: Sandbox
    _count: int = 0

    async def one(self) -> None:
        wants = self._table()
        [wish] = self.asker.rng.choices([wish for wish, _ in wants], [weight for _, weight in wants])
        self._count += 1
        await wish(self.sandbox.anybody(self.asker.rng))

    def _table(self) -> list[tuple[Callable[[Customer], Awaitable[None]], int]]:
        return [
            (self.subscribes, 10),
            (self.changes_plan, 6),
            (self.cancels, 4),
            (self.buys, 14),
            (self.buys_by_link, 5),
            (self.is_charged, 12),
            (self.wants_money_back, 8),
            (self.saves_a_card, 5),
            (self.uses, 14),
            (self.looks, 16),
        ]

    async def _write(self, does: str, method: str, path: str, body: Any = None) -> Any:
        key = str(UUID(int=self.asker.rng.getrandbits(128), version=4))
        if self.asker.rng.random() < AT_ONCE:
            twin = self.asker.insist(does, method, path, body, key=key, is_twin=True)
            done, _ = await asyncio.gather(self.asker.insist(does, method, path, body, key=key), twin)
            return done
        done = await self.asker.insist(does, method, path, body, key=key)
        if done is not None and self.asker.rng.random() < TWICE:
            await self.asker.insist(does, method, path, body, key=key, is_twin=True)
        return done

    async def subscribes(self, customer: Customer) -> None:
        plan = self.asker.rng.choice(list(PLANS))
        wish = {"organization_id": customer.organization_id, "plan_id": plan, "billing_cycle": "monthly"}
        # Without one it is the default, which may be one of those that decline.
        if self.asker.rng.random() < 0.6:
            wish["payment_method_id"] = customer.card
        done = await self._write("subscribe", "POST", "/api/subscriptions", wish)
        if done is not None:
            customer.subscription = done["id"]

    async def changes_plan(self, customer: Customer) -> None:
        if customer.subscription is None:
            return
        plan = self.asker.rng.choice(list(PLANS))
        await self._write("change", "PUT", f"/api/subscriptions/{customer.subscription}", {"plan_id": plan})

    async def cancels(self, customer: Customer) -> None:
        subscription = customer.subscription
        if subscription is None:
            return
        when = self.asker.rng.choice(["now", "period_end"])
        done = await self._write("cancel", "DELETE", f"/api/subscriptions/{subscription}?when={when}")
        if done is not None and when == "now" and customer.subscription == subscription:
            customer.subscription = None

    async def buys(self, customer: Customer) -> None:
        wish = {"customer": customer.organization_id, "product": PRODUCT, "payment_method_id": customer.card}
        await self._write("order", "POST", "/pay", wish)

    async def buys_by_link(self, customer: Customer) -> None:
        amount = self.asker.rng.randint(100, 900)
        wish = {"customer": customer.organization_id, "amount": amount, "currency": "EUR", "description": "By link"}
        placed = await self._write("order", "POST", "/pay", wish)
        if placed is not None and placed["payment_link"]:
            await self._pay(placed["payment_link"])

    async def _pay(self, link: str) -> None:
        """Go to the provider's page and pay there as people do: who meets an error goes away."""
        provider = self.sandbox.world.installation.provider_url
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=10, verify=PLAIN) as browser:
            try:
                page = await browser.post(f"{link}/pay")
                for _ in range(15):
                    if str(page.url).startswith(provider):
                        form = {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123", "name": "A. Customer"}
                        await browser.post(str(page.url), data=form)
                        return
                    await asyncio.sleep(0.3)
                    page = await browser.get(link, params={"opening": "1"})
            except (httpx.HTTPError, OSError):
                return

    async def is_charged(self, customer: Customer) -> None:
        name = f"{self.asker.client}-{self._count}"
        data = {"customer": customer.organization_id, "amount": self.asker.rng.randint(100, 5_000), "currency": "EUR"}
        data["payment_method_id"] = customer.card
        event = {"specversion": "1.0", "id": name, "source": "chaos", "type": "orders.charge.requested", "data": data}
        await self._write("charge", "POST", "/api/charges", event)

    async def wants_money_back(self, customer: Customer) -> None:
        found = await self.asker.read("look", "/api/payments", limit=30)
        paid = [
            each for each in found or [] if each["status"] == "succeeded" and each["amount"] > each["amount_refunded"]
        ]
        if not paid:
            return
        payment = self.asker.rng.choice(paid)
        left = payment["amount"] - payment["amount_refunded"]
        amount = self.asker.rng.choice([left, max(1, left // 3)])
        wish = {"payment_id": payment["id"], "amount": amount, "reason": "It was not for me"}
        await self._write("refund", "POST", "/api/refunds", wish)

    async def saves_a_card(self, customer: Customer) -> None:
        path = f"/api/customers/{customer.organization_id}/payment-methods"
        token = self.asker.rng.choice(TOKENS)
        saved = await self._write("card", "POST", path, {"token": token})
        # The same card again takes the place of the one before.
        if saved is not None and token == GOOD:
            customer.card = saved["id"]

    async def uses(self, customer: Customer) -> None:
        name = f"{self.asker.client}-{self._count}"
        used = {"event_id": name, "organization_id": customer.organization_id, "meter": "calls"}
        await self._write("use", "POST", "/api/usage", {**used, "value": self.asker.rng.randint(1, 9)})

    async def looks(self, customer: Customer) -> None:
        path = self.asker.rng.choice(
            [
                f"/api/entitlements/{customer.organization_id}",
                f"/api/customers/{customer.organization_id}",
                "/api/subscriptions",
                "/api/invoices",
            ]
        )
        await self.asker.read("look", path)
