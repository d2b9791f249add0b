"""Several legal entities of one tenant."""

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.service import NumberFormatTaken
from guilder.kernel import ids
from guilder.kernel.errors import NotFound
from guilder.kernel.noun import replace
from tests.support.builders.identity import NOW, new_tenant


@pytest.fixture
async def tenant(database):
    return (await new_tenant(database)).tenant_id


@pytest.fixture
def open_tx(database, tenant):
    return lambda: database.transaction([tenant], actor="test")


async def another(tx, **over):
    [first] = await identity.issuers_of(tx)
    said = {
        "id": ids.new(NOW),
        "legal_name": "Acme SARL",
        "number_format": "FR-{number}",
        "credit_note_format": "AV-{number}",
    }
    return await identity.add_issuer(tx, issuer=replace(first, **{**said, **over}), now=NOW)


async def test_one_is_the_default_and_another_can_be_made_it(open_tx, tenant):
    async with open_tx() as tx:
        [first] = await identity.issuers_of(tx)
        added = await another(tx, consolidates=True, minimum_charges={"EUR": 50})
        assert [each.is_default for each in await identity.issuers_of(tx)] == [True, False]
        assert (await identity.issuer(tx, tenant_ids=[tenant]))[tenant] == first
        await identity.make_default_issuer(tx, issuer_id=added.id, now=NOW)
        assert (await identity.issuer(tx, tenant_ids=[tenant]))[tenant] == replace(added, is_default=True)
        with pytest.raises(NotFound):
            await identity.make_default_issuer(tx, issuer_id=tenant, now=NOW)


@pytest.mark.shows("LAW numbers")
async def test_no_two_series_look_the_same(open_tx):
    async with open_tx() as tx:
        added = await another(tx)
        for wrong in ("INV-{year}-{number:05}", "CN-{year}-{number:05}", "AV-{number}"):
            with pytest.raises(NumberFormatTaken):
                await identity.change_issuer(tx, issuer_id=added.id, changes={"number_format": wrong}, now=NOW)
        changed = await identity.change_issuer(tx, issuer_id=added.id, changes={"footer": "IBAN"}, now=NOW)
        assert changed == replace(added, footer="IBAN")
