"""Random histories of which banks hold money, and refunds are on their way, that come back: in the end it is as without.

A change gives back what is left then, and staff the rest (docs/design/disputes.md): nothing is changed while money is held.
"""

from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from guilder.domain.catalog.model import Unused
from guilder.domain.invoicing import service as invoicing
from guilder.domain.orders import service as orders
from guilder.domain.orders.rules.change import When
from guilder.domain.payments import service as payments
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.page import PageQuery
from tests.rooms.orders.lives import Life, a_life, taken
from tests.rooms.orders.test_histories import billed, told
from tests.rooms.orders.withholding import Held, holding, letting_go

FREE = ["change", "change", "pause", "resume", "use", "hold", "hold", "hold", "seats"]
HELD = ["pause", "pause", "resume", "let go", "hold"]


async def done(life: Life, held: list[Held], what: str) -> None:
    said = f"{life.shop.now:%Y-%m-%d %H:%M:%S} {what}"
    try:
        if what in ("hold", "let go"):
            said += f" {await (holding if what == 'hold' else letting_go)(life, held)}"
        else:
            said += f" {await taken(life, what)}"
    except (Conflict, Invalid) as error:
        life.shop.pending.clear()
        said += f" refused: {type(error).__name__}"
    await life.shop.drain()
    await life.look()
    life.said.append(said)


async def lived(life: Life, held: list[Held]) -> None:
    shop, rng = life.shop, life.rng
    for _ in range(9):
        ends = (await life.now()).current_period.ends_at
        waits = [
            shop.now,
            shop.now + timedelta(days=rng.randint(1, 12), seconds=rng.randint(0, 86_399)),
            max(shop.now, ends - timedelta(seconds=1)),
            shop.now + timedelta(days=rng.randint(15, 35)),
        ]
        await life.wait(rng.choice(waits))
        await done(life, held, rng.choice(HELD if held else FREE))
    if rng.random() < 0.7:
        await done(life, held, "hold")
    await shop.act(
        lambda tx: orders.cancel(tx, subscription_id=life.ref.id, when=When.NOW, unused=Unused.CREDIT, now=shop.now)
    )
    await shop.drain()
    await life.look()
    await shop.advance(shop.now + timedelta(days=8))
    await life.look()
    while held:
        await done(life, held, "let go")


async def kept(life: Life) -> int:
    query = PageQuery(limit=200)
    paid = await life.shop.act(lambda tx: payments.history(tx, query=query))
    back = await life.shop.act(lambda tx: payments.refunds(tx, query=query))
    credit = await life.shop.act(lambda tx: invoicing.credit_balance(tx, customer_id=life.customer.id))
    came_in = sum(each.amount.minor for each in paid.items if each.status == "succeeded")
    went = sum(each.amount.minor for each in back.items if each.status != "failed")
    return came_in - went - sum(each.minor for each in credit.values())


async def ended_well(database: Any, seed: int) -> None:
    life, part = await a_life(database, Random(seed))
    try:
        await lived(life, [])
        found = await life.shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
        lines = sum(len(each.lines) for each in found.items)
        wanted = life.had() * part * Fraction(119, 100)
        assert abs(await kept(life) - wanted) <= 2 * lines + 2, float(wanted)
    except Exception as error:
        found = await life.shop.act(lambda tx: invoicing.listing(tx, query=PageQuery(limit=200)))
        error.add_note(f"seed {seed}\n" + "\n".join([*life.said, *told(life), *billed(found.items)]))
        raise


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_kept_in_the_end_is_what_was_had(database, seed):
    await ended_well(database, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 200))
async def test_hundreds_of_histories_find_nothing_else(database, seed):
    await ended_well(database, seed)
