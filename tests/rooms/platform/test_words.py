"""Words that people write are sealed where they stand; what was written before is read, and sealed by a walk."""

import pytest

from guilder.domain.invoicing import service as invoicing
from guilder.entrypoints import rewrapping
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.platform.crypto import Tampered
from guilder.platform.db.words import ARMOUR, Words, open_words, seal_words
from guilder.wiring.words import WORDS
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.database import connected

SAID = "Mrs Müller of Hauptstraße 7 waited for three weeks"


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database)).tenant_id


async def granted(database, tenant, reason: str = SAID):
    async with database.transaction([tenant], actor="test") as tx:
        customer = await a_customer(tx)
        await invoicing.grant_credit(tx, customer_id=customer.id, amount=Money(500, "EUR"), reason=reason, now=NOW)
    return customer


async def reasons(database, tenant, customer) -> list[str]:
    async with database.transaction([tenant], actor="test") as tx:
        return [each.reason for each in await invoicing.credits_of(tx, customer_id=customer.id)]


async def kept(urls) -> list[str]:
    async with connected(urls.admin) as admin:
        return [row["reason"] for row in await admin.fetch("select reason from invoicing.credits order by number")]


@pytest.mark.shows("ASVS 14.1.1", "I31")
async def test_a_reason_is_sealed_at_rest_and_read_as_it_was_written(database, database_urls, tenant):
    customer = await granted(database, tenant)
    [said] = await kept(database_urls)
    assert said.startswith(ARMOUR)
    assert "Müller" not in said
    assert await reasons(database, tenant, customer) == [SAID]


async def test_what_was_written_before_is_read_and_then_sealed_once(database, database_urls, tenant):
    customer = await granted(database, tenant)
    async with connected(database_urls.admin) as admin:
        await admin.execute("update invoicing.credits set reason = $1", SAID)
    assert await reasons(database, tenant, customer) == [SAID]
    told: list[str] = []
    assert await rewrapping.seal_words(database, [tenant], now=NOW, say=told.append) == 1
    assert await rewrapping.seal_words(database, [tenant], now=NOW, say=told.append) == 0
    assert told == ["1 texts sealed, the last in invoicing.credits.reason"]
    [said] = await kept(database_urls)
    assert said.startswith(ARMOUR)
    assert await reasons(database, tenant, customer) == [SAID]


async def test_with_its_subject_it_is_forgotten_and_nothing_more_is_kept(database, tenant):
    customer = await granted(database, tenant)
    async with database.transaction([tenant], actor="test") as tx:
        await tx.vault.destroy(tx, [Ref(tenant, customer.id)], now=NOW)
    assert await reasons(database, tenant, customer) == [""]
    async with database.transaction([tenant], actor="test") as tx:
        other = await a_customer(tx, organization_id="other")
        words = [Words(tenant, who, "a.b.c", "late") for who in (customer.id, other.id)]
        sealed = await seal_words(tx, words, now=NOW)
        assert sealed[0] == ""
        assert await open_words(tx, [Words(tenant, other.id, "a.b.c", sealed[1])]) == ["late"]


async def test_moved_to_another_row_it_does_not_open(database, tenant):
    async with database.transaction([tenant], actor="test") as tx:
        one, other = await a_customer(tx, organization_id="one"), await a_customer(tx, organization_id="other")
        [sealed, _] = await seal_words(
            tx, [Words(tenant, one.id, "a.b.c", SAID), Words(tenant, other.id, "a.b.c", SAID)], now=NOW
        )
        with pytest.raises(Tampered):
            await open_words(tx, [Words(tenant, other.id, "a.b.c", sealed)])


async def test_the_walk_knows_columns_that_there_are(database, tenant):
    assert {each.field for each in WORDS} >= {"payments.dispute_notes.text", "payments.refunds.reason"}
    assert await rewrapping.seal_words(database, [tenant], now=NOW, say=str) == 0
