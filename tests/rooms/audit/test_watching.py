"""Watching: whoever changes a setting, and however, the change is announced in the transaction that makes it."""

import json
import re
from pathlib import Path

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Role
from guilder.domain.identity.store import email_blind
from guilder.platform.crypto import new_key
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.database import connected

PAGE = Path(__file__).parents[3] / "docs" / "design" / "audit.md"
# The one list of what tells of its changes; docs/design/audit.md has the reasons.
SETTINGS = {
    "catalog.meters",
    "catalog.plan_versions",
    "catalog.plans",
    "catalog.prices",
    "catalog.products",
    "catalog.promo_codes",
    "catalog.tax_rates",
    "customers.customers",
    "dunning.plan_policies",
    "dunning.policies",
    "entitlements.settings",
    "gateways.accounts",
    "identity.api_keys",
    "identity.clerk_keys",
    "identity.issuers",
    "identity.members",
    "identity.passwords",
    "identity.tenants",
    "identity.token_trusts",
    "notifications.endpoints",
    "notifications.limits",
    "notifications.templates",
    "payments.refund_policies",
    "payments.route_targets",
    "payments.routes",
    "payments.two_person_limits",
    "privacy.retention",
    "subscriptions.renewal_reminders",
    "usage.alerts",
    "webhooks.endpoints",
}


@pytest.mark.shows("ASVS 16.2.1")
async def test_every_setting_is_watched_and_on_the_page(database_urls):
    async with connected(database_urls.admin) as admin:
        rows = await admin.fetch(
            """select t.tgrelid::regclass::text as name, array_agg(t.tgname::text order by t.tgname) as triggers
                 from pg_trigger t where t.tgname like 'audit\\_%' and t.tgenabled = 'O' group by 1"""
        )
    watched = {row["name"]: row["triggers"] for row in rows}
    assert set(watched) == SETTINGS
    assert {
        name for name in SETTINGS if "audit_updates" not in watched[name] or "audit_deletes" not in watched[name]
    } == set()
    shown = set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert shown == set(watched)


@pytest.fixture
def changes(ground):
    async def read(table):
        rows = await ground.rows(
            """select actor, request_id, occurred_at, tenant_id, payload from platform.log
                where name = 'platform.row.changed' and payload->>'table' = $1 and tenant_id = $2 order by id""",
            table,
            ground.tenant_id,
        )
        return [row | {"payload": json.loads(row["payload"])} for row in rows]

    return read


async def test_a_change_says_who_and_what_was_before(ground, changes):
    async with ground.tx(actor="staff:a", request_id="req_12345678") as tx:
        await identity.change_tenant(tx, name="Better", time_zone=None, now=NOW)
    change = (await changes("identity.tenants"))[-1]
    assert (change["actor"], change["request_id"]) == ("staff:a", "req_12345678")
    assert change["payload"] | {"row": None} == {
        "tenant_id": str(ground.tenant_id),
        "table": "identity.tenants",
        "change": "update",
        "row": None,
        "before": {"name": "Acme"},
        "after": {"name": "Better"},
    }


@pytest.mark.shows("ASVS 16.2.5", "I29")
async def test_what_is_sealed_or_a_hash_is_never_shown(ground, changes):
    async with ground.tx() as tx:
        key, text = await identity.mint_key(tx, name="k", role=Role.ADMIN, scopes=["*"], expires_at=None, now=NOW)
    change = (await changes("identity.api_keys"))[-1]
    assert change["payload"]["change"] == "insert"
    assert change["payload"]["after"]["hash"] == "sealed"
    assert change["payload"]["after"]["name"] == "k"
    assert change["payload"]["row"] == {"id": str(key.id)}
    assert text not in str(change)


@pytest.mark.shows("ASVS 16.2.5")
async def test_what_may_be_of_a_person_is_not_told_though_it_lies_in_the_clear(ground, changes):
    async with ground.tx() as tx:
        one = await a_customer(tx)
        member = await identity.invite(tx, email="eve@acme.example", role=Role.ADMIN, now=NOW)
    async with connected(ground.admin_url) as admin:
        await admin.execute(
            "update customers.customers set tax_exempt_reason = 'Jane Roe, blind' where id = $1", one.id
        )
        await admin.execute("update customers.customers set tax_exempt_reason = '' where id = $1", one.id)
        await admin.execute("update identity.members set subject = 'iss|jane@roe.example' where id = $1", member.id)
        await admin.execute("delete from identity.members where id = $1", member.id)
    told = await changes("customers.customers") + await changes("identity.members")
    assert "jane" not in str(told).lower()
    assert [each["payload"]["after"] for each in told[:2]] == [{"tax_exempt_reason": "sealed"}] * 2
    assert told[-1]["payload"]["before"]["subject"] == "sealed"


async def test_another_master_key_is_no_change_of_anybody(ground, changes):
    async with ground.tx() as tx:
        await a_customer(tx)
        await identity.invite(tx, email="eve@acme.example", role=Role.ADMIN, now=NOW)
    tables = ("customers.customers", "identity.members")
    before = [len(await changes(table)) for table in tables]
    ring = ground.database.vault.ring
    ring.adopt([new_key("k2"), ring.current])
    async with ground.tx() as tx:
        await identity.hash_emails_again(tx, None, 100)
        await customers.hash_emails_again(tx, None, 100)
    assert await ground.rows("select from identity.members where email_hash = $1", await blind(ground)) == [{}]
    assert [len(await changes(table)) for table in tables] == before


async def blind(ground):
    async with ground.tx() as tx:
        return email_blind(tx, "eve@acme.example")


@pytest.mark.shows("I29")
async def test_of_an_address_the_host_is_told_and_nothing_that_may_open_a_door(ground, changes):
    async with connected(ground.admin_url) as admin:
        shown = [
            await admin.fetchval("select audit.shown($1, to_jsonb($2::text), '{}') #>> '{}'", name, text)
            for name, text in (
                ("url", "https://hooks.example:8443/services/T0/s3cr3t?key=s3cr3t#s3cr3t"),
                ("token_url", "https://login.example?x=s3cr3t"),
                ("url", "https://hooks.example"),
                ("url", ""),
            )
        ]
    assert shown == ["https://hooks.example:8443/…", "https://login.example/…", "https://hooks.example/…", ""]


async def test_a_rolled_back_change_tells_nothing(ground, changes):
    before = len(await changes("identity.tenants"))
    async with ground.database.transaction([ground.tenant_id], actor="test", keep=False) as tx:
        await identity.change_tenant(tx, name="Better", time_zone=None, now=NOW)
    assert len(await changes("identity.tenants")) == before


async def test_a_change_to_the_same_tells_nothing(ground, changes):
    before = len(await changes("identity.tenants"))
    async with ground.tx() as tx:
        await identity.change_tenant(tx, name="Acme", time_zone=None, now=NOW)
    assert len(await changes("identity.tenants")) == before


async def test_many_rows_of_one_statement_are_told_each(ground, changes):
    async with ground.tx() as tx:
        for name in ("one", "two", "three"):
            await identity.mint_key(tx, name=name, role=Role.ADMIN, scopes=["*"], expires_at=None, now=NOW)
    async with connected(ground.admin_url) as admin:
        await admin.execute("update identity.api_keys set name = name || '!' where tenant_id = $1", ground.tenant_id)
        await admin.execute("delete from identity.api_keys where tenant_id = $1", ground.tenant_id)
    told = [each["payload"] for each in await changes("identity.api_keys")]
    assert [each["change"] for each in told] == ["insert"] * 3 + ["update"] * 3 + ["delete"] * 3
    assert {(each["before"]["name"], each["after"]["name"]) for each in told if each["change"] == "update"} == {
        ("one", "one!"),
        ("two", "two!"),
        ("three", "three!"),
    }
    assert {each["after"]["name"] for each in told if each["change"] == "delete"} == {None}


async def test_whoever_goes_round_the_application_is_named(ground, changes):
    async with connected(ground.admin_url) as admin:
        await admin.execute("update identity.tenants set name = 'By hand' where tenant_id = $1", ground.tenant_id)
    change = (await changes("identity.tenants"))[-1]
    assert change["actor"] == "database:postgres"
    await ground.hear()
    [kept] = await ground.rows("select actor from audit.records where actor like 'database:%'")
    assert kept == {"actor": "database:postgres"}


async def test_long_values_are_cut(ground, changes):
    async with connected(ground.admin_url) as admin:
        await admin.execute(
            "update identity.tenants set time_zone = repeat('x', 5000) where tenant_id = $1", ground.tenant_id
        )
    change = (await changes("identity.tenants"))[-1]
    assert change["payload"]["after"]["time_zone"] == "x" * 500 + "…"
