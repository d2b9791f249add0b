"""A tenant whose customers all have a card and subscribe at one instant, so that they all renew at one."""

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from _bank import Bank
from _meter import Meter, connect
from _server import Server

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Feature, Limit, NewPrice, PlanContent
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import Customer, NewCustomer
from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.performers import performers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Mode
from guilder.domain.payments import service as payments
from guilder.entrypoints import serving
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.money import Money
from guilder.kernel.period import Interval, Unit
from guilder.platform.bus.consumer import Consumer
from guilder.platform.bus.reactions import Reactions
from guilder.platform.clock import Clock, WallClock
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.db.vault import Vault
from guilder.platform.outside.runner import Runner
from guilder.wiring.performers import AHEAD, WINDOWS
from guilder.wiring.reactions import REACTION_LIST

PLAN = "pro"
PRICE = Money(3000, "EUR")
CUSTOMERS_AT_ONCE = 100


class SetClock(WallClock):
    """Says what it is set to, in either direction: cohorts live through the same month one after another."""

    def __init__(self, now: datetime) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant


@dataclass(frozen=True, slots=True)
class House:
    """The house in one process, as `guilder work` puts it together, on a bank of our own."""

    database: Database
    meter: Meter
    clock: SetClock
    bank: Bank
    everybody: Consumer
    groups: dict[str, Consumer]
    runner: Runner
    key: str = field(repr=False)
    """What another process opens this one's secrets with."""

    async def settle(self) -> None:
        while await self.everybody.drain() + await self.runner.drain():
            pass


@dataclass(frozen=True, slots=True)
class Cohort:
    tenant_id: TenantId
    customers: list[tuple[Customer, UUID]]


def calling(database: Database, bank: Bank, clocks: identity.Clocks, *, clock: Clock | None = None) -> Runner:
    """Return who makes the calls that move money, to this bank; documents and mail stay queued."""
    calls = performers({bank.name: bank}, public_url="http://127.0.0.1:9")  # type: ignore[dict-item]
    return Runner(database, calls, clocks, clock=clock or WallClock(), windows=WINDOWS, ahead=AHEAD)


async def a_house(server: Server, *, now: datetime, key: str | None = None) -> House:
    """`key`: what opens the secrets of a house that was here before."""
    serving.spare_what_stays()
    key = key or "bench:" + base64.b64encode(secrets.token_bytes(32)).decode()
    ring = KeyRing.parse(key)
    meter, clock, bank = Meter(), SetClock(now), Bank()
    database = await connect(server.app_url, meter, Vault(ring))
    clocks = identity.Clocks(clock)
    reactions = [meter.timed(reaction) for reaction in REACTION_LIST]

    def consumer(*groups: str) -> Consumer:
        heard = [reaction for reaction in reactions if not groups or reaction.group in groups]
        return Consumer(database, Reactions(heard), clocks, WallClock())

    runner = calling(database, bank, clocks)
    groups = {group: consumer(group) for group in Reactions(reactions).groups}
    return House(database, meter, clock, bank, consumer(), groups, runner, key)


# Returns the customer of a number, and the token of the card that it saves.
Person = Callable[[TenantId, int], tuple[NewCustomer, str]]


async def a_cohort(house: House, *, size: int, person: Person | None = None) -> Cohort:
    """Make a tenant with a plan, an account at the bank, and customers whose cards the bank has validated."""
    now, tenant_id = house.clock.now(), TenantId(ids.new(house.clock.now()))
    async with house.database.transaction({tenant_id}, actor="bench") as tx:
        slug = f"bench-{secrets.token_hex(6)}"
        await identity.create_tenant(
            tx, tenant_id=tenant_id, name="Bench", slug=slug, mode=Mode.TEST, time_zone="Europe/Amsterdam", now=now
        )
        await gateways.connect(
            tx, gateway=house.bank.name, name="Bank", secret_key="sk_bench", is_default=True, now=now
        )
        await catalog.create_plan(tx, code=PLAN, content=plan_content(), now=now)
    made: list[tuple[Customer, UUID]] = []
    while len(made) < size:
        numbers = range(len(made), min(len(made) + CUSTOMERS_AT_ONCE, size))
        made += await _customers(house, tenant_id, [(person or _person)(tenant_id, n) for n in numbers])
    await house.settle()
    return Cohort(tenant_id, made)


async def _customers(
    house: House, tenant_id: TenantId, people: Sequence[tuple[NewCustomer, str]]
) -> list[tuple[Customer, UUID]]:
    now = house.clock.now()
    async with house.database.transaction({tenant_id}, actor="bench") as tx:
        made = await customers.create(tx, customers=[new for new, _ in people], now=now)
        cards = []
        for customer, (_, token) in zip(made, people, strict=True):
            card = await payments.add_method(tx, customer_id=CustomerId(customer.id), token=token, now=now)
            cards.append(card.id)
    return list(zip(made, cards, strict=True))


def plan_content() -> PlanContent:
    price = NewPrice(interval=Interval(Unit.MONTH), unit_amount=PRICE, cycle="monthly")
    return PlanContent(
        name="Pro",
        description="",
        prices=(price,),
        features=(Feature(code="reports", name="Reports"),),
        limits=(Limit(code="seats", name="Seats", included=5),),
        trial_days=0,
    )


def _person(tenant_id: TenantId, number: int) -> tuple[NewCustomer, str]:
    return a_customer(tenant_id), "pm_card_ok"


def a_customer(tenant_id: TenantId, *, country: str = "GB") -> NewCustomer:
    return NewCustomer(
        tenant_id=tenant_id,
        organization_id=f"org_{secrets.token_hex(8)}",
        name="Ada Lovelace",
        email="ada@lovelace.example",
        address=Address(line1="12 Square", city="London", postal_code="W1", country=country),
    )
