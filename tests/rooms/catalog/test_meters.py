import pytest

from guilder.domain.catalog import service as catalog
from guilder.domain.catalog.model import Aggregation
from guilder.domain.catalog.rules.checking import BadMeter
from guilder.domain.catalog.service.meters import MeterCodeTaken
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.page import PageQuery
from tests.support.builders.catalog import a_meter
from tests.support.builders.identity import new_tenant


async def test_a_meter_is_found_by_code_and_by_id(open_tx):
    async with open_tx() as tx:
        made = await a_meter(tx, code="gb", aggregation=Aggregation.SUM, property="bytes")
    async with open_tx() as tx:
        for name in ("gb", made.id, ids.to_text("mtr", made.id)):
            assert await catalog.meter(tx, meter=name) == made
        with pytest.raises(NotFound):
            await catalog.meter(tx, meter="tb")


async def test_meters_of_several_tenants_are_told_apart(open_tx, database, tenant):
    other = (await new_tenant(database)).tenant_id
    async with open_tx() as tx:
        ours = await a_meter(tx, code="calls")
    async with open_tx(other) as tx:
        theirs = await a_meter(tx, code="calls")
        await a_meter(tx, code="unasked")
    async with open_tx(tenant, other) as tx:
        asked = [(tenant, "calls"), (other, "calls"), (tenant, "unasked"), (tenant, "calls")]
        found = await catalog.meters(tx, tenant_codes=asked)
    assert found == {(tenant, "calls"): ours, (other, "calls"): theirs}
    async with open_tx() as tx:
        # Another tenant's is not seen at all.
        assert await catalog.meters(tx, tenant_codes=asked) == {(tenant, "calls"): ours}
        assert await catalog.meters(tx, tenant_codes=[]) == {}


async def test_a_code_is_given_once(open_tx):
    async with open_tx() as tx:
        await a_meter(tx)
        with pytest.raises(MeterCodeTaken) as caught:
            await a_meter(tx, name="Others")
        assert caught.value.field == "code"
        with pytest.raises(BadMeter):
            await a_meter(tx, code="users", aggregation=Aggregation.UNIQUE_COUNT)
        page = await catalog.all_meters(tx, query=PageQuery())
        assert [each.name for each in page.items] == ["Calls"]
