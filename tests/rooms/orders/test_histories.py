"""Random histories: what is charged less what is given back is what was had, worked out by hand from spans of time.

A subscription is looked at whenever anything about it may change; each span costs its part of its full period's price, and
its use at the price of its plan. Of whole cents each line is off by less than one.
"""

from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from guilder.domain.catalog.model import Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.model import Status as InvoiceStatus
from guilder.domain.invoicing.rules.expected import Fault
from guilder.domain.invoicing.service.progressive import Heard
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.kernel.page import PageQuery
from tests.rooms.invoicing.test_healing import differences, in_short
from tests.rooms.orders.lives import Life, a_life, step
from tests.rooms.orders.test_previews import checked
from tests.support.builders.orders import Shop


async def ended(life: Life) -> None:
    """End it, giving back what is unused; and let what waits for its grace be billed."""
    shop, was = life.shop, await life.now()
    if was.ended_at is None:
        await checked(
            shop,
            lambda tx: orders.cancel(
                tx, subscription_id=life.ref.id, when=When.NOW, unused=Unused.CREDIT, now=shop.now
            ),
        )
        await life.look()
    await shop.advance(shop.now + timedelta(days=8))
    await life.look()
    heard = Heard(
        tenant_id=shop.tenant.tenant_id, customer_id=life.customer.id, at=shop.now, earliest_at=life.seen[0][0]
    )
    await shop.act(lambda tx: invoicing.bill_heard(tx, heard=[heard], now=shop.now))
    await shop.drain()


async def lived(database: Any, seed: int, *, is_rough: bool = False, steps: int = 9) -> None:
    life, part = await a_life(database, Random(seed))
    life.is_rough = is_rough
    shop = life.shop
    try:
        for _ in range(steps):
            if (await life.now()).ended_at is not None:
                break
            life.said.append(await step(life))
            # Of two changes at one instant the first leaves no time behind: what is taken for a hole there is none.
            assert [each for each in in_short(await differences(shop)) if each[0] is not Fault.HOLE] == []
        await ended(life)
        found = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
        standing = [each for each in found.items if each.status is not InvoiceStatus.VOID]
        lines = [line for each in standing for line in each.lines]
        kept = sum(line.amount.minor for line in lines)
        wanted = life.had() * part
        if is_rough:
            await between(life, wanted * Fraction(119, 100), len(lines))
        else:
            assert abs(kept - wanted) <= len(lines) + 1, (kept, float(wanted), len(lines))
            await money_adds_up(shop, life, standing)
        assert all(each.due.minor == 0 for each in standing)
        for each in standing:
            assert all(line.is_reproduced for line in invoicing.explained(each).lines), each.number
    except Exception as error:
        found = await shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
        error.add_note(f"seed {seed}\n" + "\n".join([*life.said, *told(life), *billed(found.items)]))
        raise


async def money_adds_up(shop: Shop, life: Life, standing: Any) -> None:
    """What came in and did not go back is what was charged, and the credit that is left."""
    paid = await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))
    came = sum(each.amount.minor for each in paid.items if each.status == "succeeded")
    went = sum(
        each.amount.minor
        for each in (await shop.act(lambda tx: payments.refunds(tx, query=PageQuery(limit=200)))).items
    )
    credit = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=life.customer.id))
    left = sum(each.minor for each in credit.values())
    assert came - went == sum(each.total.minor for each in standing) + left
    assert left >= 0


async def between(life: Life, wanted: Fraction, lines: int) -> None:
    """What was kept in the end is no more than what was had, and less by no more than was given for other reasons."""
    shop = life.shop
    paid = await shop.act(lambda tx: payments.history(tx, query=PageQuery(limit=200)))
    back = await shop.act(lambda tx: payments.refunds(tx, query=PageQuery(limit=200)))
    credit = await shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=life.customer.id))
    kept = sum(each.amount.minor for each in paid.items if each.status == "succeeded")
    kept -= sum(each.amount.minor for each in back.items if each.status != "failed")
    kept -= sum(each.minor for each in credit.values())
    room = 2 * lines + 2
    assert wanted - life.goodwill - room <= kept <= wanted + room, (kept, float(wanted), life.goodwill)
    assert kept >= -room, kept


def told(life: Life) -> list[str]:
    return [
        f"  {at:%Y-%m-%d %H:%M:%S} {was.status} {was.terms.plan_code} {was.terms.billing_cycle} x{was.terms.quantity} "
        f"{was.current_period.starts_at:%Y-%m-%d %H:%M:%S}/{was.current_period.ends_at:%Y-%m-%d %H:%M:%S} "
        f"{was.full_period and was.full_period.starts_at}"
        for at, was in [*life.seen, *life.seen_beside]
    ]


def billed(found: Any) -> list[str]:
    return [
        f"  {each.number} {each.issued_at:%Y-%m-%d %H:%M:%S} {each.status} {line.kind} {line.amount.minor} "
        f"{line.period and f'{line.period.starts_at:%Y-%m-%d %H:%M:%S}/{line.period.ends_at:%Y-%m-%d %H:%M:%S}'} "
        f"{line.description}"
        for each in reversed(found)
        for line in each.lines
    ]


SOME = range(6)
MANY = range(6, 200)


@pytest.mark.parametrize("seed", SOME)
async def test_what_is_kept_is_what_was_had(database, seed):
    await lived(database, seed)


@pytest.mark.parametrize("seed", SOME)
async def test_with_refunds_notes_and_gifts_no_more_goes_back_than_came_in(database, seed):
    await lived(database, seed, is_rough=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
async def test_hundreds_of_histories_find_nothing_else(database, seed):
    await lived(database, seed)
    await lived(database, seed, is_rough=True)
