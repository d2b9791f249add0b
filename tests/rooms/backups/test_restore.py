"""After a restore to an hour ago nothing is charged twice, no number is used again, and the books agree with the provider's."""

import asyncio
import threading
from datetime import UTC, datetime

import httpx
import pytest

from guilder.domain.gateways import service as gateways
from guilder.entrypoints.backups import archiving, keyrings, restoring, taking
from guilder.entrypoints.backups.manifest import Kind
from guilder.entrypoints.backups.places import WAL, open_place
from guilder.entrypoints.backups.taking import Source
from guilder.entrypoints.cli.quarantine import _from
from guilder.platform.clock import WallClock
from guilder.platform.db.embedded import cluster_of
from guilder.wiring.doctor.run import examine
from guilder.wiring.ports import open_keys
from tests.simulated_provider.support import Provider
from tests.support.database import connected
from tests.support.homes import Home, a_street, busy, found_company
from tests.support.processes import until

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def silent(_: str) -> None: ...


@pytest.fixture(scope="module")
def street():
    with a_street() as folder:
        yield folder


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = Provider(tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


def journal(provider, tenant_id):
    found = httpx.get(f"{provider.url}/sim/journal", trust_env=False, timeout=60).json()
    return {
        kind: [row for row in rows if str(tenant_id) in str(row.get("business_key"))] for kind, rows in found.items()
    }


def charged(provider, tenant_id):
    return sorted(row["amount"] for row in journal(provider, tenant_id)["charges"] if row["status"] == "succeeded")


def taken(home, settings, place):
    keys = asyncio.run(open_keys(settings))
    named = keyrings.named([keys.find(each) for each in keys.ids])
    return taking.take(
        settings,
        Source(home.admin_url, is_embedded=True),
        place,
        keys=named,
        keys_from=keyrings.place_of(home.settings),
        clock=WallClock(),
        say=silent,
    )


async def an_invoice_by_hand(company):
    """Bill something on the wall's time; return the invoice's number."""
    line = {"description": "A day's work", "unit_amount": 10_000}
    made = await company.post(
        "/api/invoices",
        {"customer_id": (await company.get("/api/customers/acme"))["id"], "currency": "EUR", "lines": [line]},
    )
    return made["number"]


async def worked_at(old, place, told, provider, settings):
    """Work at the old place: a backup is taken meanwhile, and more is done that it forgets."""
    async with busy(settings) as (house, worlds):
        told["company"] = company = await found_company(house, starts_at=START)
        sandbox = worlds(company.sandbox_id, company.sandbox_key)
        books = worlds(company.tenant_id, company.key)
        await until(lambda: sandbox.get("/api/gateways"), what="the provider's connection")
        await sandbox.plan()
        await sandbox.subscriber()
        await books.customer()
        told["numbers"] = [await an_invoice_by_hand(books)]
        thread = threading.Thread(target=lambda: told.update(made=taken(old, settings, place)))
        thread.start()
        while thread.is_alive():
            told["numbers"].append(await an_invoice_by_hand(books))
            await asyncio.sleep(0.3)  # it writes all the time, and not all that it can
        told["known"] = len(told["numbers"])
        told["charged_before"] = charged(provider, company.sandbox_id)
        await asyncio.sleep(0.05)
        told["instant"] = datetime.now(UTC)
        # What the backup forgets: a renewal that is charged, and invoices that go out.
        await sandbox.advance(days=31)
        told["numbers"] += [await an_invoice_by_hand(books) for _ in range(3)]
        told["charged_after"] = charged(provider, company.sandbox_id)


async def gone_on_with(told, settled, provider, settings):
    """Go on at the new place: in quarantine, out of it, and asked by the doctor."""
    company = told["company"]
    async with busy(settings) as (house, worlds):
        sandbox = worlds(company.sandbox_id, company.sandbox_key)
        books = worlds(company.tenant_id, company.key)
        assert {each["status"] for each in await sandbox.get("/api/gateways")} == {"quarantined"}
        assert (await sandbox.now()) < START.replace(month=2, day=2), "its clock was restored, too"
        number = await an_invoice_by_hand(books)
        assert number > max(told["numbers"]), "a number that went out is never used again"
        # In quarantine the same month is billed again, and waits.
        await sandbox.advance(days=31)
        assert charged(provider, company.sandbox_id) == told["charged_after"]
        await leave_quarantine(house, company.sandbox_id, since=settled.read_since)
        await sandbox.advance(days=2)
        assert [each["status"] for each in await sandbox.invoices()] == ["paid", "paid"]
        assert charged(provider, company.sandbox_id) == told["charged_after"], "nothing was charged twice"
        try:
            await until(lambda: healthy(settings, provider), what="a doctor with nothing to say", timeout_s=60)
        except AssertionError:
            raise AssertionError(await ills(settings, provider)) from None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.shows("ASVS 2.3.3")
def test_what_was_charged_since_is_adopted_and_no_number_is_used_again(street, provider):
    old, place = Home(street / "old", provider_port=provider.port), open_place(str(street / "backups"))
    told = {}
    with old.open() as settings:
        archiving.turn_on(cluster_of(old.folder / "postgres"), place, admin_url=old.admin_url)
        asyncio.run(worked_at(old, place, told, provider, settings))
        asyncio.run(archived(old, place))
    assert told["made"].kind is Kind.PHYSICAL
    assert told["known"] > 1, "there were writes while it was taken"
    assert len(set(told["numbers"])) == len(told["numbers"])
    assert len(told["charged_after"]) == len(told["charged_before"]) + 1

    new, instant = Home(street / "new", provider_port=provider.port), told["instant"]
    copy_master_key(old, new)
    made = restoring.choose(place, named=None, to_time=instant)
    settled = restoring.restore(new.settings, place, made, to_time=instant, clock=WallClock(), say=silent)
    assert settled.restored_to <= instant
    assert settled.epoch == 2
    with new.open() as settings:
        asyncio.run(gone_on_with(told, settled, provider, settings))


async def ills(settings, provider):
    told = httpx.get(f"{provider.url}/sim/journal", trust_env=False, timeout=60).json()
    url = settings.database_doctor_url.get_secret_value()
    report = await examine(url, now=WallClock().now(), journal=told, settled=True)
    assert report.examined
    return [str(each) for each in report.violations]


async def healthy(settings, provider):
    return not await ills(settings, provider)


async def leave_quarantine(house, tenant_id, *, since):
    """What `guilder quarantine read` and `leave` do."""

    async def work(tx, verb):
        (domain,) = await house.clocks.domains(tx, [tenant_id])
        return await verb(tx, await gateways.accounts(tx), domain.now)

    async def read(tx, accounts, now):
        for each in accounts:
            await gateways.read_books(tx, accounts=[each], since=_from(each.quarantined_at, since), now=now)

    async def read_to(tx, accounts, _):
        known = [await gateways.read_to(tx, account_id=each.id) for each in accounts]
        return all(to >= each.quarantined_at for to, each in zip(known, accounts, strict=True))

    async def leave(tx, accounts, _):
        await gateways.release(tx, accounts=accounts)

    async def do(verb):
        return await house.database.run(lambda tx: work(tx, verb), [tenant_id], actor="test")

    await do(read)
    await until(lambda: do(read_to), what="the reading of the books")
    await do(leave)


async def archived(home, place):
    """Wait until the log is archived up to here."""
    async with connected(home.admin_url) as admin:
        name = await admin.fetchval("select pg_walfile_name(pg_switch_wal())")
    await until(lambda: gone(place, name), what=f"the archive of {name}")


async def gone(place, name):
    return f"{WAL}/{name}" in place.names(f"{WAL}/")


def copy_master_key(old, new):
    text = (old.folder / "master.key").read_text()
    (new.folder / "master.key").write_text(text)
    (new.folder / "master.key").chmod(0o600)
