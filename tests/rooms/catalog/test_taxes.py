from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.rules.taxes import rate_for
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import new
from guilder.kernel.page import PageQuery
from tests.support.builders.identity import NOW, new_tenant

TODAY = NOW.date()


async def a_rate(tx, percent, **over):
    said = {"name": f"{percent} %", "percent": Decimal(percent), **over}
    return await catalog.create_tax_rate(tx, **said, now=NOW)


async def test_each_tenant_has_its_own_rates(open_tx, database, tenant):
    other = (await new_tenant(database)).tenant_id
    async with open_tx() as tx:
        german = await a_rate(tx, "19", country="DE", region="BY", category="books", legal_note="§ 12 UStG")
    async with open_tx(other) as tx:
        dutch = await a_rate(tx, "21", is_default=True, valid_from=date(2020, 1, 1), valid_until=date(2030, 1, 1))
    third = (await new_tenant(database)).tenant_id
    async with open_tx(tenant, other, third) as tx:
        found = await catalog.tax_rates(tx, tenant_ids=[tenant, other, third])
        assert await catalog.tax_rates(tx, tenant_ids=[]) == {}
    assert found == {tenant: (german,), other: (dutch,), third: ()}


async def test_a_new_default_takes_the_place_of_the_old_one(open_tx, tenant):
    async with open_tx() as tx:
        old = await catalog.set_default_tax_rate(
            tx, name="VAT", percent=Decimal(19), country="DE", legal_note="", now=NOW
        )
        assert await catalog.default_tax_rates(tx, tenant_ids=[tenant]) == {tenant: old}
        new = await a_rate(tx, "21", country="NL", is_default=True)
        rates = (await catalog.tax_rates(tx, tenant_ids=[tenant]))[tenant]
        assert await catalog.default_tax_rates(tx, tenant_ids=[tenant]) == {tenant: new}
    # The old one is not taken for Germany's rate from here on.
    assert rates == (new,)
    assert rate_for(rates, country="DE", on=TODAY) == new


async def test_a_rate_that_was_ended_holds_for_the_days_before(open_tx, tenant):
    async with open_tx() as tx:
        made = await a_rate(tx, "19", country="DE")
        ended = await catalog.end_tax_rate(tx, rate_id=made.id, now=NOW)
        assert ended.valid_until == TODAY
        later = datetime(2027, 1, 1, tzinfo=UTC)
        assert await catalog.end_tax_rate(tx, rate_id=made.id, now=later) == ended, "it had ended before"
        rates = (await catalog.tax_rates(tx, tenant_ids=[tenant]))[tenant]
        assert rate_for(rates, country="DE", on=date(2026, 2, 28)) == ended
        assert rate_for(rates, country="DE", on=TODAY) is None
        assert await catalog.tax_rate(tx, rate_id=made.id) == ended


async def test_a_rate_that_was_ended_before_it_began_never_holds(open_tx):
    async with open_tx() as tx:
        made = await a_rate(tx, "19", country="DE", valid_from=date(2026, 7, 1))
        ended = await catalog.end_tax_rate(tx, rate_id=made.id, now=NOW)
    assert (ended.valid_from, ended.valid_until) == (date(2026, 7, 1), date(2026, 7, 1))
    assert rate_for([ended], country="DE", on=date(2026, 7, 1)) is None


async def test_a_default_that_was_ended_is_none(open_tx, tenant):
    async with open_tx() as tx:
        made = await a_rate(tx, "19", is_default=True)
        await catalog.end_tax_rate(tx, rate_id=made.id, now=NOW)
        assert await catalog.default_tax_rates(tx, tenant_ids=[tenant]) == {}


async def test_another_tenants_rate_is_not_there(open_tx, database):
    other = (await new_tenant(database)).tenant_id
    async with open_tx(other) as tx:
        theirs = await a_rate(tx, "19", country="DE")
    async with open_tx() as tx:
        for rate_id in (theirs.id, new(NOW)):
            with pytest.raises(NotFound):
                await catalog.tax_rate(tx, rate_id=rate_id)
            with pytest.raises(NotFound):
                await catalog.end_tax_rate(tx, rate_id=rate_id, now=NOW)
        assert (await catalog.all_tax_rates(tx, query=PageQuery())).items == []
