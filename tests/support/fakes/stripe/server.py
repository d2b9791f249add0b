"""The fake in a thread of its own, asked over real HTTP; and merchants, whose side of it tests hold in their hands."""

import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import httpx
import uvicorn

from simulated_provider.protocol import HangUpProtocol
from tests.support.fakes.stripe import hooks, intents, pages, returns
from tests.support.fakes.stripe.app import Api
from tests.support.fakes.stripe.state import Account, Document, Fault


class FakeStripe:
    """`with FakeStripe() as fake: merchant = fake.merchant()`; the gateway is `Stripe(base_url=fake.url)`."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._api = Api(lambda: self.url)
        self._courier = hooks.Courier()
        config = uvicorn.Config(self._api.app(), http=HangUpProtocol, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._courier.start()
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < until, "the fake does not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)
        self._courier.stop()

    def merchant(self, *, mode: str = "test", name: str = "") -> "Merchant":
        """Open an account; its key is `sk_test_…` or `sk_live_…`."""
        name = name or uuid4().hex[:16]
        account = _Told(f"acct_{name}", f"sk_{mode}_{name}")
        account.courier = self._courier
        self._api.accounts[account.secret_key] = account
        return Merchant(self, account)

    def restricted(self, merchant: "Merchant") -> None:
        """Give this account a restricted key in place of its own; `forbidden` says what it may not do."""
        del self._api.accounts[merchant.secret_key]
        merchant.account.secret_key = merchant.secret_key.replace("sk_", "rk_")
        self._api.accounts[merchant.secret_key] = merchant.account


class _Told(Account):
    """An account whose events go out."""

    courier: hooks.Courier

    def tell(self, kind: str, about: Document, *, was: Document | None = None) -> Document:
        event = super().tell(kind, about, was=was)
        if self.hooks == "deliver":
            self.courier.send(self, event)
        return event


@dataclass(frozen=True, slots=True)
class Merchant:
    """The provider's side of one account, for tests: what it did, and what it is to do."""

    fake: FakeStripe
    account: Account

    @property
    def secret_key(self) -> str:
        return self.account.secret_key

    def fault(self, mode: str, op: str = "any", **more: Any) -> None:
        """Have the next calls of a kind go wrong: see `app` for the modes, `routes` for the kinds."""
        self.account.faults.append(Fault(mode=mode, op=op, **more))

    def charges(self) -> list[Document]:
        return [each for each in self.account.journal if each["what"] == "charge"]

    def refunds(self) -> list[Document]:
        return [each for each in self.account.journal if each["what"] == "refund"]

    def intent(self, ref: str) -> Document:
        """Return the intent of this reference: its own, or its session's."""
        found = self.account.objects[ref]
        return self.account.objects[found["payment_intent"]] if ref.startswith("cs_") else found

    def event(self, kind: str, ref: str) -> Document:
        """Return the newest event of a type about an object."""
        fitting = [e for e in self.account.events if e["type"] == kind and e["data"]["object"]["id"] == ref]
        return fitting[-1]

    def body(self, kind: str, ref: str) -> bytes:
        return hooks.body_of(self.event(kind, ref))

    def deliver(self, event: Document | None = None, *, copies: int = 1) -> None:
        """Send an event once more, or all that were held back."""
        courier = self.account.courier if isinstance(self.account, _Told) else None
        assert courier is not None, self
        for each in [event] if event else list(self.account.events):
            courier.send(self.account, each, copies=copies)

    def advance(self, seconds: float) -> None:
        """Move this account's clock: keys are forgotten, pages close, search finds."""
        self.account.offset_s += seconds

    def pay_page(self, url: str, card: str = "pm_card_visa") -> httpx.Response:
        """Do what the customer does on the page."""
        return httpx.post(url, data={"card": card}, trust_env=False, timeout=60, follow_redirects=False)

    def renew(self, token: str, *, kind: str = "automatically_updated", **card: Any) -> Document:
        """Have a saved card (`cus_…/pm_…`) show something else: its bank renewed it, or it was updated by the API."""
        method = self.account.get(token.rpartition("/")[2], "payment_method")
        was = {name: method["card"][name] for name in card}
        method["card"] |= card
        return self.account.tell(f"payment_method.{kind}", method, was={"card": was})

    def detach(self, token: str) -> Document:
        method = self.account.get(token.rpartition("/")[2], "payment_method")
        was, method["customer"], method["#is_spent"] = {"customer": method["customer"]}, None, True
        return self.account.tell("payment_method.detached", method, was=was)

    def settle(self, ref: str, *, is_paid: bool) -> None:
        """Say how a debit ended that took days."""
        move = pages.settle if ref.startswith("cs_") else intents.settle
        move(self.account, ref, is_paid=is_paid)

    def dispute(self, intent_ref: str, *, amount: int | None = None, status: str = "needs_response") -> str:
        ref: str = returns.dispute(self.account, self.intent(intent_ref)["id"], amount=amount, status=status)["id"]
        return ref

    def decide(self, dispute_ref: str, status: str) -> None:
        returns.decide(self.account, dispute_ref, status)

    def fail_refund(self, ref: str) -> None:
        returns.fail(self.account, ref)
