"""A provider that lies, sleeps and forgets, and keeps an honest journal. It speaks the product's `Gateway` protocol.

Its idempotency keys expire after 24 hours; what timed out may act later; its reads may be older than its writes; its
webhooks get lost, doubled, delayed and out of order. L1 and L2 both charge at it.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from guilder.domain.gateways.model import (
    CardDetails,
    GatewayRequest,
    Outcome,
    OutcomeKind,
    ProviderRecord,
    RecordPage,
    Registration,
    RequestKind,
)
from guilder.domain.gateways.port import Credentials
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.outside.intents import CallFailed

KEY_LIFE = timedelta(hours=24)
PAGE_LIFE = timedelta(hours=24)
READS_LAG = timedelta(minutes=10)
TIMEOUT_S = 25.0
REDELIVERIES_MAX = 8


class World(Protocol):
    """Chance and time, as the level that is run has them."""

    rng: random.Random
    seen: Counter[str]

    @property
    def now(self) -> datetime: ...
    def strikes(self, fault: str) -> bool: ...
    async def pause(self, seconds: float | None = None) -> None: ...
    def later(self, seconds: float, act: Callable[[], object]) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(slots=True)
class Object:
    ref: str
    business_key: str
    amount: Money
    token: str
    made_at: datetime
    status: str = "open"
    declined: str = ""
    is_hard: bool = False
    page: str = ""
    page_opened_at: datetime | None = None
    is_known: bool = False  # its id is written down over there: somebody may act on it
    is_shown: bool = False  # a customer may have its page


@dataclass(frozen=True, slots=True)
class Moved:
    """A line of the journal: money that moved."""

    business_key: str
    ref: str
    amount: Money
    at: datetime


@dataclass(slots=True)
class Delivery:
    notice_id: str
    kind: RequestKind
    business_key: str
    outcome: Outcome
    due_at: datetime
    tries: int = 0


@dataclass
class Provider:
    world: World
    name: str = "simulated"
    objects: dict[str, Object] = field(default_factory=dict)
    charges: list[Moved] = field(default_factory=list)
    refunds: list[Moved] = field(default_factory=list)
    refunded_of: Counter[str] = field(default_factory=Counter)
    refund_targets: dict[str, str] = field(default_factory=dict)
    mailbag: list[Delivery] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)  # token -> ok, soft, hard, flaky
    on_the_way: Counter[str] = field(default_factory=Counter)
    _answers: dict[str, tuple[datetime, Outcome]] = field(default_factory=dict)
    _down_until: datetime | None = None
    _count: int = 0

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return await self._answer("prepare", request.business_key, lambda: self._once(key, lambda: self._make(request)))

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return await self._answer(
            "confirm", request.business_key, lambda: self._once(key, lambda: self._confirm(request.provider_ref))
        )

    async def charge(self, request: GatewayRequest, *, key: str) -> Outcome:
        """Create and confirm in one: what the protocol never does, and some mutants do."""

        def act() -> Outcome:
            made = self._make(request)
            done = self._confirm(made.provider_ref)
            if done.kind is OutcomeKind.DECLINED:
                self._cancel(made.provider_ref)
            return done

        return await self._answer("charge", request.business_key, lambda: self._once(key, act))

    async def records(
        self, credentials: Credentials, *, since: datetime, until: datetime, cursor: str = ""
    ) -> RecordPage:
        """Show the journal: a provider's own books do not lie."""
        await self._reach()
        moved = [(RequestKind.CHARGE, each, each.ref) for each in self.charges]
        moved += [(RequestKind.REFUND, each, self.refund_targets[each.ref]) for each in self.refunds]
        return RecordPage(
            records=tuple(
                ProviderRecord(
                    kind=kind,
                    provider_ref=each.ref,
                    charge_ref=charge_ref,
                    business_key=each.business_key,
                    claim="",
                    status=OutcomeKind.SUCCEEDED,
                    amount=each.amount,
                    at=each.at,
                )
                for kind, each, charge_ref in moved
                if since <= each.at < until
            )
        )

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        return await self._read(lambda: self._find(request.business_key, request.provider_ref))

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return await self._answer(
            "cancel", request.business_key, lambda: self._once(key, lambda: self._cancel(request.provider_ref))
        )

    async def open_page(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return await self._answer(
            "page", request.business_key, lambda: self._once(key, lambda: self._open(request.provider_ref))
        )

    async def refund(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return await self._answer(
            "refund", request.business_key, lambda: self._once(key, lambda: self._refund(request))
        )

    async def lookup_refund(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        def find() -> tuple[Outcome, datetime] | None:
            for each in self.refunds:
                if each.business_key == request.business_key:
                    said = Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=each.ref, amount=each.amount)
                    return said, each.at
            return None

        return await self._read(find)

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        card = CardDetails(token=request.method_token, brand="visa", last4="4242", exp_month=12, exp_year=2034)
        return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=f"si_{request.method_token}", card=card)

    async def lookup_setup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        return None

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        return Registration(kind=OutcomeKind.SUCCEEDED, provider_account="acct_sim")

    async def close(self) -> None:
        pass

    async def send_test_notice(self, credentials: Credentials) -> bool:
        return False

    async def is_idle(self, credentials: Credentials, *, account: str) -> bool:
        return not self.mailbag

    def account_of(self, secret_key: str) -> str:
        return ""

    def mode_of(self, secret_key: str, settings: Mapping[str, str]) -> str:
        return "test"

    def pay(self, ref: str, *, is_good: bool) -> bool:
        """Let a customer pay on a page; False if it is closed by now."""
        found = self.objects[ref]
        is_open = found.page_opened_at is not None and self.world.now - found.page_opened_at < PAGE_LIFE
        if found.status != "open" or not is_open:
            return False
        if is_good:
            self._succeed(found)
        else:
            self._decline(found, "insufficient_funds", is_hard=False)
        return True

    def is_live(self, business_key: str, *, is_withdrawn: bool) -> bool:
        """Say whether money may still come of this attempt: an object is open that a customer or a worker may act on."""
        return any(
            o.business_key == business_key and o.status == "open" and (o.is_shown or (o.is_known and not is_withdrawn))
            for o in self.objects.values()
        )

    async def _answer(self, name: str, about: str, act: Callable[[], Outcome]) -> Outcome:
        """Act, or not, or later; and answer, or not."""
        world = self.world
        await world.pause()
        if self._down_until is not None and world.now < self._down_until:
            raise CallFailed("503")
        if world.strikes("outage"):
            self._down_until = world.now + timedelta(seconds=world.rng.choice((1, 60, 900)))
            raise CallFailed("503")
        if world.strikes("timeout_before"):
            await world.pause(TIMEOUT_S)
            raise CallFailed("timed out")
        if world.strikes("timeout_late"):
            self.on_the_way[about] += 1

            def at_last() -> None:
                self.on_the_way[about] -= 1
                act()

            world.later(world.rng.choice((1, 20, 40, 200)), at_last)
            await world.pause(TIMEOUT_S)
            raise CallFailed("timed out")
        before = len(self.charges)
        outcome = act()
        world.note(f"{name} {about[-8:]} {outcome.kind.value}")
        if world.strikes("timeout_after"):
            if len(self.charges) > before:
                world.seen["charged_timeout"] += 1
            await world.pause(TIMEOUT_S)
            raise CallFailed("timed out")
        await world.pause()
        return outcome

    async def _read(self, find: Callable[[], tuple[Outcome, datetime] | None]) -> Outcome | None:
        await self._reach()
        found = find()
        if found is None:
            return None
        outcome, made_at = found
        if self.world.now - made_at < READS_LAG and self.world.strikes("not_found_yet"):
            return None
        await self.world.pause()
        return outcome

    async def _reach(self) -> None:
        await self.world.pause()
        if self._down_until is not None and self.world.now < self._down_until:
            raise CallFailed("503")
        if self.world.strikes("timeout_before"):
            await self.world.pause(TIMEOUT_S)
            raise CallFailed("timed out")

    def _once(self, key: str, act: Callable[[], Outcome]) -> Outcome:
        kept = self._answers.get(key)
        if kept is not None and self.world.now - kept[0] < KEY_LIFE:
            return kept[1]
        outcome = act()
        self._answers[key] = (self.world.now, outcome)
        return outcome

    def _make(self, request: GatewayRequest) -> Outcome:
        assert request.amount is not None, request
        self._count += 1
        made = Object(
            ref=f"pi_{self._count}",
            business_key=request.business_key,
            amount=request.amount,
            token=request.method_token,
            made_at=self.world.now,
        )
        self.objects[made.ref] = made
        return self._said(made)

    def _confirm(self, ref: str) -> Outcome:
        found = self.objects[ref]
        if found.status == "open":
            fate = self.cards.get(found.token, "ok")
            if fate == "hard" or self.world.strikes("hard_decline"):
                self._decline(found, "stolen_card", is_hard=True)
            elif fate == "soft" or self.world.strikes("soft_decline"):
                self._decline(found, "insufficient_funds", is_hard=False)
            else:
                self._succeed(found)
        return self._said(found)

    def _cancel(self, ref: str) -> Outcome:
        found = self.objects[ref]
        if found.status == "open":
            found.status = "canceled"
            self._tell(found)
        return self._said(found)

    def _open(self, ref: str) -> Outcome:
        found = self.objects[ref]
        if found.status == "open":
            self._count += 1
            found.page, found.page_opened_at, found.declined = f"https://pay.example/{self._count}", self.world.now, ""
        return self._said(found)

    def _refund(self, request: GatewayRequest) -> Outcome:
        found, amount = self.objects.get(request.provider_ref), request.amount
        assert amount is not None, request
        if found is None or found.status != "succeeded":
            return Outcome(kind=OutcomeKind.DECLINED, decline_code="nothing_to_refund")
        if self.refunded_of[found.ref] + amount.minor > found.amount.minor:
            return Outcome(kind=OutcomeKind.DECLINED, decline_code="too_much")
        self._count += 1
        self.refunded_of[found.ref] += amount.minor
        self.refund_targets[f"re_{self._count}"] = found.ref
        self.refunds.append(Moved(request.business_key, f"re_{self._count}", amount, self.world.now))
        done = Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=f"re_{self._count}", amount=amount)
        self._mail(RequestKind.REFUND, request.business_key, done)
        return done

    def _succeed(self, found: Object) -> None:
        found.status, found.declined = "succeeded", ""
        self.charges.append(Moved(found.business_key, found.ref, found.amount, self.world.now))
        self._tell(found)

    def _decline(self, found: Object, code: str, *, is_hard: bool) -> None:
        found.declined, found.is_hard = code, is_hard
        self._tell(found)

    def _find(self, business_key: str, ref: str) -> tuple[Outcome, datetime] | None:
        mine = [o for o in self.objects.values() if (o.ref == ref if ref else o.business_key == business_key)]
        if not mine:
            return None
        # The one that moved money, if any did; else the newest.
        chosen = next((o for o in mine if o.status == "succeeded"), mine[-1])
        return self._said(chosen), chosen.made_at

    def _said(self, found: Object) -> Outcome:
        said = Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=found.ref, amount=found.amount)
        if found.status == "succeeded":
            return replace(said, kind=OutcomeKind.SUCCEEDED, charge_ref=f"ch_{found.ref}")
        if found.status == "canceled":
            return replace(said, kind=OutcomeKind.CANCELED)
        if found.declined:
            return replace(said, kind=OutcomeKind.DECLINED, decline_code=found.declined, is_hard_decline=found.is_hard)
        return replace(said, action_url=found.page)

    def _tell(self, found: Object) -> None:
        self._mail(RequestKind.CHARGE, found.business_key, self._said(found))

    def _mail(self, kind: RequestKind, business_key: str, outcome: Outcome) -> None:
        world = self.world
        self._count += 1
        if world.strikes("webhook_dropped"):
            return
        late = world.rng.choice((600, 7_200, 86_400, 3 * 86_400)) if world.strikes("webhook_delayed") else 0
        copies = 2 if world.strikes("webhook_duplicated") else 1
        for _ in range(copies):
            due_at = world.now + timedelta(seconds=late + world.rng.uniform(0.0, 20.0))
            self.mailbag.append(Delivery(f"evt_{self._count}", kind, business_key, outcome, due_at))
