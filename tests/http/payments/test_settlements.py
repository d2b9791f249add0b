"""Providers' books beside ours, over HTTP."""

from datetime import timedelta

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import OutcomeKind, ProviderRecord, Reading, RequestKind
from guilder.kernel.money import Money
from guilder.platform.auth.principal import Role


def an_entry(till, **over):
    said = {
        "kind": RequestKind.CHARGE,
        "provider_ref": "pi_1",
        "charge_ref": "ch_1",
        "business_key": f"{till.tenant.tenant_id}:{till.customer.id}:1",
        "claim": "",
        "status": OutcomeKind.SUCCEEDED,
        "amount": Money(4900, "EUR"),
        "fee": Money(172, "EUR"),
        "at": till.now - timedelta(hours=1),
    }
    return ProviderRecord(**{**said, **over})


async def read(till, *records):
    async with till.tx() as tx:
        [opened] = await gateways.open_accounts(tx)
        reading = Reading(account=opened, since=till.now - timedelta(days=1), until=till.now)
        await gateways.record_readings(tx, read=[(reading, records)], now=till.now)
    await till.settle()


async def test_a_day_is_shown_from_both_sides(site, till):
    ask = await site.key_of(till.tenant)
    await read(till, an_entry(till))
    day = (till.now - timedelta(hours=1)).date().isoformat()
    [settlement] = (await ask("GET", f"/api/settlements?day={day}")).json()["data"]
    assert (settlement["charged_there"], settlement["fees"], settlement["net_there"]) == (4900, 172, 4728)
    assert (settlement["charged_here"], settlement["is_agreed"], settlement["day"]) == (0, False, day)
    refused = await ask("GET", "/api/settlements?day=yesterday")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "day")


async def test_a_found_charge_is_listed_until_a_person_puts_it_aside(site, till):
    ask = await site.key_of(till.tenant)
    await read(till, an_entry(till))
    [found] = (await ask("GET", "/api/settlements/found")).json()["data"]
    assert (found["id"][:4], found["amount"]) == ("fnd_", 4900)
    done = await ask("POST", f"/api/settlements/found/{found['id']}/put-aside", {"reason": "given back there"})
    assert done.status_code == 200
    assert (await ask("GET", "/api/settlements/found")).json()["data"] == []
    again = await ask("POST", f"/api/settlements/found/{found['id']}/put-aside", {"reason": "twice"})
    assert again.status_code == 404


async def test_a_difference_is_resolved_once_with_a_reason(site, till):
    ask = await site.key_of(till.tenant)
    stray = f"{till.tenant.tenant_id}:refund:{till.customer.id}"
    await read(till, an_entry(till, kind=RequestKind.REFUND, provider_ref="re_1", business_key=stray))
    [difference] = (await ask("GET", "/api/settlements/differences?is_open=true")).json()["data"]
    assert (difference["what"], difference["ours"], difference["theirs"]) == ("refund_only_there", None, 4900)
    path = f"/api/settlements/differences/{difference['id']}/resolve"
    assert (await ask("POST", path, {})).status_code == 422
    assert (await ask("POST", path, {"reason": "made in the dashboard"})).json()["data"]["resolution"]
    assert (await ask("POST", path, {"reason": "again"})).json()["code"] == "difference_resolved"
    assert (await ask("GET", "/api/settlements/differences?is_open=true")).json()["data"] == []


async def test_what_is_not_known_here_is_no_refund_to_take(site, till):
    ask = await site.key_of(till.tenant)
    stray = f"{till.tenant.tenant_id}:refund:{till.customer.id}"
    await read(till, an_entry(till, kind=RequestKind.REFUND, provider_ref="re_1", business_key=stray))
    [difference] = (await ask("GET", "/api/settlements/differences")).json()["data"]
    path = f"/api/settlements/differences/{difference['id']}/take-refund"
    assert (await ask("POST", path, {})).json()["field"] == "reason"
    odd = await ask("POST", path, {"reason": "x", "reason_code": "captured_twice"})
    assert (odd.status_code, odd.json()["field"]) == (422, "reason_code")
    refused = await ask("POST", path, {"reason": "no payment of ours"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_refund_there")
    missing = path.replace(difference["id"], "dif_01h455vb4pex5vsknk084sn02q")
    assert (await ask("POST", missing, {"reason": "x"})).status_code == 404


async def test_books_are_read_when_an_admin_says_so(site, till):
    admin, reader = await site.key_of(till.tenant), await site.key_of(till.tenant, Role.MEMBER)
    account = (await admin("GET", "/api/gateways")).json()["data"][0]
    assert (await reader("POST", f"/api/gateways/{account['id']}/read-books")).status_code == 403
    assert (await admin("POST", f"/api/gateways/{account['id']}/read-books")).status_code == 202
    await till.settle()
    assert "gateways.books.read" in await till.heard()
    assert (await reader("POST", "/api/settlements/found/fnd_0/put-aside", {"reason": "x"})).status_code in {403, 422}
