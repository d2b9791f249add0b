"""An organization id may be any word, and is free again after its erasure: whoever says it else is left alone."""

from datetime import timedelta

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import NewCustomer
from guilder.kernel.ids import to_text
from guilder.platform import crypto
from tests.support.ground import RING

WORD = "pro"


@pytest.fixture
async def customer(office):
    return await office.shop.customer(organization_id=WORD)


async def the_successor(office, customer):
    new = NewCustomer(tenant_id=customer.tenant_id, name="Another", email="", organization_id=WORD)
    [made] = await office.shop.act(lambda tx: customers.create(tx, customers=[new], now=office.shop.now))
    return made


async def sweep(office):
    office.shop.now += timedelta(days=30)
    await office.work()


async def test_what_the_log_says_of_whoever_has_the_name_next_stays(office, customer):
    await office.erase(customer)
    next_one = await the_successor(office, customer)
    await sweep(office)
    said = await office.ask_database(
        "select payload ->> 'organization_id' as said from platform.log where key = $1", next_one.id
    )
    assert [row["said"] for row in said] == [WORD]
    [of_her] = await office.ask_database(
        """select payload ->> 'organization_id' as said from platform.log
            where key = $1 and name = 'customers.customer.created'""",
        customer.id,
    )
    assert of_her["said"] == f"erased_{customer.id.hex}"


async def test_a_charge_that_waits_is_still_for_whoever_has_the_name_next(office, customer):
    await office.erase(customer)
    await the_successor(office, customer)
    await office.shop.act(
        lambda tx: tx.execute(
            """insert into orders.charges (tenant_id, id, source, source_id, digest, status, customer, amount_minor,
                                           currency, description, metadata, received_at)
               values ($1, gen_random_uuid(), 'shop', '1', '', 'received', $2, 100, 'EUR', 'A seat', '{}', $3)""",
            tx.tenant_id,
            WORD,
            office.shop.now,
        )
    )
    await sweep(office)
    [row] = await office.ask_database("select customer, description from orders.charges")
    assert tuple(row) == (WORD, "A seat")


async def test_stored_answers_about_others_stay_so_that_nothing_is_done_twice(office, customer):
    other = to_text("cus", (await office.shop.customer()).id)
    bodies = {
        "a": f'{{"customer_id":"{other}","plan":"{WORD}"}}',
        "b": f'{{"id":"{other}","organization_id":"{WORD}"}}',
        f"upgrade-{WORD}": f'{{"customer_id":"{other}"}}',
        "hers": f'{{"customer_id":"{to_text("cus", customer.id)}"}}',
        "refused": f'{{"customer": "{WORD}"}}',
    }

    async def remember(tx):
        for key, body in bodies.items():
            about = crypto.about("platform.idempotency_keys", tx.tenant_id, "tenant", key)
            await tx.execute(
                """insert into platform.idempotency_keys (tenant_id, scope, key, fingerprint, status, media_type, body)
                   values ($1, 'tenant', $2, $3, 201, 'application/json', $4)""",
                tx.tenant_id,
                key,
                b"x" * 32,
                crypto.seal(RING, body.encode(), about=about),
            )

    await office.shop.act(remember)
    await office.erase(customer)
    rows = await office.ask_database("select key, status from platform.idempotency_keys")
    assert {row["key"]: row["status"] for row in rows} == {
        "a": 201,
        "b": 201,
        f"upgrade-{WORD}": 201,
        "hers": 409,
        "refused": 409,
    }
