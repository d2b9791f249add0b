"""Whose a webhook's address is, by what it is verified, and what those that come to it together share."""

import asyncio
import json

import pytest

from guilder.domain.gateways import service as gateways
from guilder.kernel.ids import Ref
from guilder.platform.db.tx import Tx
from guilder.platform.db.vault import Sealed
from guilder.platform.http.calls import REASON_FIELD
from tests.http.gateways.webhooks import WAYS, a_dispute, a_site, an_event, calls_of, kept, post
from tests.support.identity_provider import NOW


@pytest.fixture(params=WAYS)
async def site(request, database, till, monkeypatch):
    """What is here holds for each."""
    async with a_site(database, till, monkeypatch, way=request.param) as site:
        yield site


@pytest.mark.parametrize("site", ["ahead"], indirect=True)
async def test_each_is_recorded_as_a_call_whichever_way_it_came(site, till):
    for way in (site.app.ahead, None):
        site.app.ahead = way
        assert (await post(site, till, *till.signed(a_dispute(till)))).status_code == 200
    [ahead, whole] = (await calls_of(till)).values()
    assert ahead == whole


async def told_by(till, sent):
    """Return by which request each dispute was told of."""
    async with till.tx() as tx:
        rows = await tx.fetch(
            """select payload -> 'news' ->> 'dispute_ref' as dispute, request_id from platform.log
                where name = 'gateways.dispute.noticed'"""
        )
    told = {row["dispute"]: row["request_id"] for row in rows}
    return [told[json.loads(body)["data"]["object"]["id"]] for body, _ in sent]


async def test_what_comes_together_is_recorded_by_itself_and_with_its_own_reason(site, till):
    reasons = [None, "first", None, "second", None]
    sent = [till.signed(a_dispute(till)) for _ in reasons]
    answers = await asyncio.gather(
        *[
            post(site, till, body, headers if why is None else {**headers, "Guilder-Reason": why})
            for (body, headers), why in zip(sent, reasons, strict=True)
        ]
    )
    assert {each.status_code for each in answers} == {200}
    recorded = await calls_of(till)
    ids = [each.headers["x-request-id"] for each in answers]
    assert sorted(recorded) == sorted(ids)
    assert await told_by(till, sent) == ids
    sealed = [recorded[each].pop("sealed_reason") for each in ids]
    async with till.tx() as tx:
        tenant = till.tenant.tenant_id
        given = [Sealed(tenant, tenant, REASON_FIELD, bytes.fromhex(each)) for each in sealed if each]
        assert await tx.vault.open_many(tx, given) == ["first", "second"]
    assert [each is not None for each in sealed] == [why is not None for why in reasons]
    assert all(each == recorded[ids[0]] for each in recorded.values())


async def test_what_comes_together_is_verified_and_kept_in_few_transactions(site, till, monkeypatch):
    opened = []
    way = gateways.open_endpoint

    async def noted(tx, **asked):
        opened.append(tx)
        return await way(tx, **asked)

    monkeypatch.setattr(gateways, "open_endpoint", noted)
    sent = [till.signed(an_event(till)) for _ in range(30)]
    answers = await asyncio.gather(*[post(site, till, *each) for each in sent])
    assert {each.status_code for each in answers} == {200}
    assert len(await kept(till)) == 30
    assert len(opened) < 15 + (0 if till.gateway.verifies_alone else 30)


async def test_whose_an_address_is_is_looked_up_once_and_what_it_opens_each_time(site, till, monkeypatch):
    looked_up, opened = [], []
    find, read = gateways.find_endpoint, gateways.open_endpoint

    async def finding(tx, **asked):
        looked_up.append(asked)
        return await find(tx, **asked)

    async def opening(tx, **asked):
        opened.append(asked)
        return await read(tx, **asked)

    monkeypatch.setattr(gateways, "find_endpoint", finding)
    monkeypatch.setattr(gateways, "open_endpoint", opening)
    for _ in range(3):
        assert (await post(site, till, *till.signed(an_event(till)))).status_code == 200
    fetches = 0 if till.gateway.verifies_alone else 3
    assert (len(looked_up), len(opened)) == (1 + fetches, 3 + fetches)


async def test_an_address_is_of_one_gateway_also_when_it_is_remembered(site, till, monkeypatch):
    assert (await post(site, till, *till.signed(an_event(till)))).status_code == 200
    monkeypatch.setattr(till.gateway, "name", "other")
    site.app.state.gateways = {"other": till.gateway}
    path = f"/api/webhooks/other/{till.account.endpoint_id}"
    assert (await post(site, till, *till.signed(an_event(till)), path)).status_code == 401
    assert len(await kept(till)) == 1


async def test_the_key_that_a_webhook_is_verified_and_sealed_by_comes_with_its_account(site, till, monkeypatch):
    looked = []
    way = Tx.fetch

    async def noted(tx, sql, *values):
        looked.append("subject_keys" in sql)
        return await way(tx, sql, *values)

    assert (await post(site, till, *till.signed(an_event(till)))).status_code == 200
    monkeypatch.setattr(Tx, "fetch", noted)
    assert (await post(site, till, *till.signed(an_event(till)))).status_code == 200
    assert looked.count(True) == 1 + (0 if till.gateway.verifies_alone else 1)


async def test_a_tenant_whose_key_was_destroyed_is_told_nothing_more(site, till):
    assert (await post(site, till, *till.signed(an_event(till)))).status_code == 200
    tenant_id = till.tenant.tenant_id
    async with till.tx() as tx:
        await tx.vault.destroy(tx, [Ref(tenant_id, tenant_id)], now=NOW)
    assert (await post(site, till, *till.signed(an_event(till)))).status_code == 401
    assert len(await kept(till)) == 1


async def test_an_account_that_is_retired_is_heard_still(site, till):
    async with till.tx() as tx:
        await tx.execute("update gateways.accounts set is_active = false, is_default = false")
    for _ in range(2):  # found, and then remembered
        assert (await post(site, till, *till.signed(an_event(till)))).status_code == 200
    assert len(await kept(till)) == 2
