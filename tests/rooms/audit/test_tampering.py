"""Tampering: whatever a superuser does to what is written, it is found, and the place is named."""

import asyncpg
import pytest

from guilder.domain.audit import service as audit
from guilder.domain.audit.model import BEGINNING, Chain, Class, Head
from guilder.domain.audit.rules import chain as rules
from guilder.domain.audit.store import chains as store
from guilder.kernel.noun import replace
from guilder.platform.clock import WallClock
from guilder.wiring.doctor.run import inspect
from tests.support.database import connected

_OF = "tenant_id = $1 and customer_id = $2"


@pytest.fixture
async def chain(ground):
    """A chain of twenty records and more, and the first number of the twenty."""
    customer_id = await ground.told(20)
    rows = await ground.rows(
        f"select partition, seq from audit.records where {_OF} order by seq", ground.tenant_id, customer_id
    )
    return Chain(ground.tenant_id, rows[0]["partition"]), rows[0]["seq"]


def _at(n):
    return f"tenant_id = '{{tenant}}' and partition = {{partition}} and seq = {{first}} + {n}"


_CHAIN = "tenant_id = '{tenant}' and partition = {partition}"
_SWAPPED = f"""update audit.records set seq = 900000 where {_at(2)};
    update audit.records set seq = {{first}} + 2 where {_at(3)};
    update audit.records set seq = {{first}} + 3 where {_CHAIN} and seq = 900000"""
_PUT_IN = f"""insert into audit.records
    select (jsonb_populate_record(r, jsonb_build_object('seq', r.seq + 19, 'id', gen_random_uuid()))).*
      from audit.records r where {_at(1)}"""

# What was done, and where it is found: so many records after the first.
TAMPERINGS = {
    "the actor": (f"update audit.records set actor = 'nobody' where {_at(4)}", 4, "actor"),
    "an amount": (
        f"update audit.records set payload = replace(payload, 'email', 'emall') where {_at(4)}",
        4,
        "payload",
    ),
    "when": (f"update audit.records set at = at + interval '1 microsecond' where {_at(4)}", 4, "at"),
    "the checks": (f"update audit.records set checks = decode(repeat('00', 72), 'hex') where {_at(4)}", 4, "checks"),
    "the hash": (f"update audit.records set hash = sha256('x') where {_at(4)}", 4, "hash"),
    "the link": (f"update audit.records set previous_hash = sha256('x') where {_at(4)}", 4, "previous_hash"),
    "one removed": (f"delete from audit.records where {_at(7)}", 7, ""),
    "the last removed": (f"delete from audit.records where {_at(19)}", 19, ""),
    "two swapped": (_SWAPPED, 2, "seq"),
    "one put in behind": (_PUT_IN, 20, "head"),
    "the head put back": (
        "update audit.heads set seq = seq - 1 where tenant_id = '{tenant}' and partition = {partition}",
        19,
        "head",
    ),
    "the head's hash": (
        "update audit.heads set hash = sha256('x') where tenant_id = '{tenant}' and partition = {partition}",
        19,
        "head",
    ),
    "the head removed": (
        "delete from audit.heads where tenant_id = '{tenant}' and partition = {partition}",
        19,
        "head",
    ),
    "moved to another month": (
        f"update audit.records set month = month + interval '1 month' where {_at(4)}",
        4,
        "month",
    ),
}


@pytest.mark.shows("I30", "ASVS 16.4.2")
@pytest.mark.parametrize("what", TAMPERINGS)
async def test_it_is_found_at_its_place(ground, chain, what):
    sql, place, name = TAMPERINGS[what]
    of, first = chain
    assert (await ground.verify()).count == 0
    done = sql.format(tenant=of.tenant_id, partition=of.partition, first=first)
    await ground.as_superuser(done)
    found = await ground.verify(walk=7)
    assert found.count > 0
    fault = found.faults[0]
    assert fault.chain == of
    assert (place, name) in [(each.seq - first, each.field) for each in found.faults], found.faults
    # The doctor finds it by another way, in SQL.
    async with connected(ground.admin_url) as admin, admin.transaction(isolation="repeatable_read"):
        report = await inspect(admin, now=WallClock().now(), tenant_id=ground.tenant_id)
    if what != "the checks":  # which no hash is made over
        assert "I30" in report.counts, report


async def test_both_ways_of_verifying_agree_on_what_is_sound(ground, chain):
    async with connected(ground.admin_url) as admin, admin.transaction(isolation="repeatable_read"):
        report = await inspect(admin, now=WallClock().now(), settled=True)
    assert {"I30", "I30b"}.isdisjoint(report.counts), report.violations
    assert (await ground.verify()).count == 0


@pytest.mark.shows("I30")
async def test_a_chain_rewritten_with_its_head_contradicts_its_anchor(ground, chain):
    of, first = chain
    async with ground.tx() as tx:
        anchor = await audit.write_anchor(tx, now=WallClock().now())
    anchors = {}
    audit.read_anchor(anchor, anchors)
    assert (await ground.verify(anchors)).count == 0
    await rewrite(ground, of, after=first + 3)
    assert (await ground.verify()).count == 0, "within, nothing says so"
    found = await ground.verify(anchors)
    assert [fault.seq for fault in found.faults] == [first + 19]


async def rewrite(ground, of, *, after):
    """Change a record and make every hash behind it anew, as whoever reads our code could."""
    async with ground.tx() as tx:
        records = await store.walk(tx, of, start=BEGINNING, after=None, limit=1000)
    kept, old = [r for r in records if r.seq <= after], [r for r in records if r.seq > after]
    entries = [replace(each.entry, actor="nobody") for each in old]
    begun = Head(chain=of, kept_as=Class.BUSINESS, month=kept[-1].month, place=kept[-1].place)
    head, forged = rules.appended(begun, entries)
    await ground.as_superuser(
        f"delete from audit.records where tenant_id = '{of.tenant_id}' and partition = {of.partition} and seq > {after}"
    )
    async with ground.tx() as tx:
        await store.insert(tx, forged)
        await store.move_heads(tx, [head])


@pytest.mark.shows("ASVS 16.4.2")
@pytest.mark.parametrize(
    "sql",
    [
        "update audit.records set actor = 'x'",
        "delete from audit.records",
        "truncate audit.records",
        "truncate audit.records_business",
        "update audit.verifications set faults = 0",
        "delete from audit.closings",
        "truncate audit.closings",
    ],
)
async def test_the_owner_is_refused(ground, database_urls, sql):
    await ground.told(1)
    async with connected(database_urls.owner) as owner:
        if "verifications" in sql or ("closings" in sql and "truncate" not in sql):
            await _something_to_change(ground)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="only added to"):
            await owner.execute(sql)
        months = await owner.fetch(
            "select c.oid::regclass::text as t from pg_class c where c.relnamespace = 'audit'::regnamespace and relname ~ '_2[0-9]{5}$'"
        )
        for month in months:
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await owner.execute(f"truncate {month['t']}")


async def _something_to_change(ground):
    async with ground.tx() as tx:
        await audit.record_verification(tx, found=audit.Found(), by="test", now=ground.clock.now())
    await ground.as_superuser(
        f"""insert into audit.closings (tenant_id, partition, last_seq, class, month, first_seq, last_hash, closed_at)
            values ('{ground.tenant_id}', 0, 1, 'business', '2020-01-01', 1, sha256('x'), now())"""
    )


@pytest.mark.shows("ASVS 16.4.2")
@pytest.mark.parametrize(
    "verb", ["update audit.records set actor = 'x'", "delete from audit.records", "truncate audit.records"]
)
async def test_the_application_may_not_even_try(ground, verb):
    await ground.told(1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with ground.tx() as tx:
            await tx.execute(verb)
