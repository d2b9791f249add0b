import asyncpg
import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Issuer, Mode, Role, TenantStatus, TrustKind
from guilder.domain.identity.rules.logo import BadLogo
from guilder.domain.identity.rules.zones import UnknownTimeZone
from guilder.domain.identity.service import SlugTaken
from guilder.domain.identity.service.tenancy import TooManySandboxes
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from tests.support.builders.identity import NOW, a_sandbox, a_tenant, new_tenant
from tests.support.database import connected

TABLES = ["tenants", "issuers", "sandbox_clocks", "api_keys", "token_trusts", "members"]


def names(tx) -> list[str]:
    return [each.event.name for each in tx.outbox]


async def test_a_tenant_is_founded_with_an_issuer_of_its_name(database):
    async with database.transaction(actor="test") as tx:
        made = await a_tenant(tx, name="Acme")
        assert names(tx) == ["identity.tenant.created"]
        found = await identity.issuer(tx, tenant_ids=[made.tenant_id])
    assert found[made.tenant_id].legal_name == "Acme"
    async with database.transaction([made.tenant_id], actor="test") as tx:
        assert await identity.tenant(tx) == made
        assert await identity.find_by_slug(tx, slug=made.slug) == made.tenant_id


async def test_a_slug_is_taken_once(database):
    first = await new_tenant(database)
    with pytest.raises(SlugTaken):
        await new_tenant(database, slug=first.slug)


async def test_a_tenant_has_an_iana_time_zone(database):
    with pytest.raises(UnknownTimeZone):
        await new_tenant(database, time_zone="CET+1")


async def test_suspending_and_resuming_are_told_once(database):
    made = await new_tenant(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        assert (await identity.suspend_tenant(tx, reason="unpaid", now=NOW)).status is TenantStatus.SUSPENDED
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
        assert (await identity.resume_tenant(tx, reason="paid", now=NOW)).status is TenantStatus.ACTIVE
        await identity.resume_tenant(tx, reason="paid", now=NOW)
        assert names(tx) == ["identity.tenant.suspended", "identity.tenant.resumed"]


async def test_the_issuer_is_set_whole_and_keeps_its_id(database):
    made = await new_tenant(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        before = (await identity.issuer(tx, tenant_ids=[made.tenant_id]))[made.tenant_id]
        wanted = Issuer(
            tenant_id=made.tenant_id,
            id=ids.new(NOW),
            legal_name="Acme B.V.",
            address=Address(line1="Damrak 1", city="Amsterdam", country="NL"),
            number_format="A-{number:06}",
            terms_days=14,
        )
        await identity.set_issuer(tx, issuer=wanted, now=NOW)
        after = (await identity.issuer(tx, tenant_ids=[made.tenant_id]))[made.tenant_id]
    assert after.id == before.id
    assert (after.legal_name, after.address.city, after.terms_days) == ("Acme B.V.", "Amsterdam", 14)


async def test_a_logo_that_does_more_than_draw_is_not_kept(database):
    made = await new_tenant(database)
    logo = '<svg xmlns="http://www.w3.org/2000/svg"><script>x</script></svg>'
    bad = Issuer(tenant_id=made.tenant_id, id=ids.new(NOW), legal_name="A", address=Address(), logo_svg=logo)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        with pytest.raises(BadLogo):
            await identity.set_issuer(tx, issuer=bad, now=NOW)


async def test_a_sandbox_is_a_tenant_of_its_own_under_one_root(database):
    made = await new_tenant(database, mode=Mode.LIVE)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        sandbox = await identity.create_sandbox(tx, name="Try", starts_at=NOW.replace(year=2030), now=NOW)
        assert sandbox.text.startswith("gk_sandbox_")
    async with database.transaction([sandbox.tenant.tenant_id], actor="test") as tx:
        assert (await identity.sandbox_clock(tx)).now == NOW.replace(year=2030)
        inner = await identity.create_sandbox(tx, name="Inner", starts_at=None, now=NOW)
    assert sandbox.tenant.root_id == inner.tenant.root_id == made.tenant_id
    assert sandbox.tenant.time_zone == made.time_zone


async def test_sandboxes_of_one_root_are_limited(database, monkeypatch):
    monkeypatch.setattr("guilder.domain.identity.service.tenancy.SANDBOXES_MAX", 1)
    made = await new_tenant(database)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        await identity.create_sandbox(tx, name="One", starts_at=None, now=NOW)
    async with database.transaction([made.tenant_id], actor="test") as tx:
        with pytest.raises(TooManySandboxes):
            await identity.create_sandbox(tx, name="Two", starts_at=None, now=NOW)


async def test_definer_functions_answer_with_ids_and_no_more(database, database_urls):
    async with connected(database_urls.admin) as admin:
        rows = await admin.fetch(
            """select p.proname::text as name, pg_get_function_result(p.oid) as result
                 from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where n.nspname = 'identity' and p.prosecdef"""
        )
    assert {row["name"] for row in rows} == {
        "find_key",
        "find_trust",
        "tenant_by_slug",
        "sandboxes",
        "advancing",
        "sandboxes_of",
        "find_notified",
        "find_session",
        "purge_sign_ins",
        "purge_notices",
        "wall_clock_tenants",
    }
    # A chore forgets what is over of every tenant, and says how much that was.
    rows = [row for row in rows if not row["name"].startswith("purge_")]
    # Of a tenant there is no other id; of all else there are two.
    shown = {row["name"]: row["result"] for row in rows}
    assert shown.pop("wall_clock_tenants") == "TABLE(tenant_id uuid)"
    assert set(shown.values()) == {"TABLE(tenant_id uuid, id uuid)"}


@pytest.fixture
async def two(database):
    """Two tenants, each with a row in every table."""
    async with database.transaction(actor="test") as tx:
        both = [await a_sandbox(tx), await a_sandbox(tx)]
    for each in both:
        async with database.transaction([each.tenant_id], actor="test") as tx:
            await identity.mint_key(tx, name="k", role=Role.ADMIN, scopes={"*"}, expires_at=None, now=NOW)
            await identity.invite(tx, email="eve@acme.example", role=Role.MEMBER, now=NOW)
            await identity.trust(tx, kind=TrustKind.OIDC, issuer="https://idp.example", audience="a", now=NOW)
    return [each.tenant_id for each in both]


@pytest.mark.parametrize("table", TABLES)
async def test_a_forgotten_filter_shows_and_changes_nothing_of_another_tenant(database, two, table):
    mine, other = two
    async with database.transaction([mine], actor="test") as tx:
        rows = await tx.fetch(f"select tenant_id from identity.{table}")
        assert {row["tenant_id"] for row in rows} == {mine}
        changed = await tx.execute(f"update identity.{table} set tenant_id = tenant_id")
        assert changed == len(rows)
        assert await tx.execute(f"update identity.{table} set tenant_id = $1 where tenant_id = $1", other) == 0
    async with database.transaction(actor="test") as tx:
        assert await tx.fetch(f"select * from identity.{table}") == []


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_cannot_be_given_to_another_tenant(database, two, table):
    mine, other = two
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction([mine], actor="test") as tx:
            await tx.execute(f"update identity.{table} set tenant_id = $1", other)


async def test_verbs_reach_nothing_of_another_tenant(database, two):
    mine, other = two
    async with database.transaction([other], actor="test") as tx:
        [key], [trust] = await identity.keys(tx), await identity.trusts(tx)
    async with database.transaction([mine], actor="test") as tx:
        assert await identity.tenants(tx, ids=[other]) == {}
        assert await identity.issuer(tx, tenant_ids=[other]) == {}
        for attempt in (
            identity.revoke_key(tx, key_id=key.id, now=NOW),
            identity.distrust(tx, trust_id=trust.id, now=NOW),
        ):
            with pytest.raises(Exception, match="no such"):
                await attempt
    async with database.transaction([other], actor="test") as tx:
        assert (await identity.keys(tx))[0].revoked_at is None
        assert len(await identity.trusts(tx)) == 1


async def test_a_tenant_that_is_not_seen_cannot_be_founded(database):
    with pytest.raises(AssertionError):
        async with database.transaction(actor="test") as tx:
            await identity.create_tenant(
                tx, tenant_id=TenantId(ids.new(NOW)), name="x", slug="x", mode=Mode.LIVE, time_zone="UTC", now=NOW
            )
