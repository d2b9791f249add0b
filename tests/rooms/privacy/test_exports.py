"""An export's file is removed, and so is one that was put by somebody who died before saying so."""

import zipfile
from datetime import timedelta

import pytest
from obstore.store import LocalStore

from guilder.domain.audit import service as audit
from guilder.domain.customers import service as customers
from guilder.domain.customers.model import CustomerChanges
from guilder.domain.privacy.model import RequestKind, State
from guilder.domain.privacy.performers import Exporting, ExportRemoval
from guilder.platform.bus.store import COLUMNS
from guilder.platform.outside.files import Files
from guilder.platform.outside.intents import Done, Intent


@pytest.fixture
async def customer(office):
    return await office.shop.customer(organization_id="org-secret-77", name="Ada Nettlecombe")


class Runner:
    """Has intents performed, as the house's runner does; `dies_after_call` before anything is written down."""

    def __init__(self, office, folder):
        self.office, self.folder = office, folder
        files = Files(LocalStore(prefix=folder))
        self.performers = {each.kind: each for each in (Exporting(files), ExportRemoval(files))}

    async def perform(self, *, dies_after_call=False):
        performed = []
        for row in await self.office.ask_database(
            """select tenant_id, id, kind, destination, subject_id, at_step as step, attempts, fence
                 from platform.intents where state = 'waiting' and kind like 'privacy.%' order by kind"""
        ):
            intent, performer = Intent(**dict(row)), self.performers[row["kind"]]
            now, act = self.office.shop.now, self.office.shop.act
            [request] = await act(lambda tx: performer.load(tx, [intent], now=now))  # noqa: B023
            if request is not None:
                outcome = await performer.call(intent, request, now=now)
                if dies_after_call:
                    continue
                done = Done(intent=intent, request=request, outcome=outcome)
                await act(lambda tx: performer.record(tx, [done], now=now))  # noqa: B023
            await act(
                lambda tx: tx.execute("update platform.intents set state = 'done' where id = $1", intent.id)  # noqa: B023
            )
            performed.append(intent.kind)
        return performed

    def files(self):
        return sorted(each.name for each in self.folder.rglob("*") if each.is_file())


@pytest.fixture
def runner(office, tmp_path):
    return Runner(office, tmp_path)


async def test_what_was_put_and_not_noted_goes_with_what_was(office, customer, runner):
    asked = await office.ask(customer, RequestKind.EXPORT)
    await runner.perform(dies_after_call=True)
    assert await runner.perform() == ["privacy.export"]
    assert (await office.request(asked)).state is State.DONE
    assert runner.files() == ["export.zip", "export.zip"]
    office.shop.now += timedelta(days=7)
    await office.work()
    assert await runner.perform() == ["privacy.remove_export"]
    assert runner.files() == []
    assert (await office.request(asked)).file_path == ""


async def test_an_erasure_takes_with_it_what_was_never_noted_and_what_comes_after_it(office, customer, runner):
    await office.ask(customer, RequestKind.EXPORT)
    await runner.perform(dies_after_call=True)
    # Given up: a person may have it replayed, or never.
    await office.ask_database("update platform.intents set state = 'dead', reason = 'tired' returning id")
    await office.erase(customer)
    assert await runner.perform() == ["privacy.remove_export"]
    assert runner.files() == []
    await office.ask_database(
        "update platform.intents set state = 'waiting' where kind = 'privacy.export' returning id"
    )
    assert await runner.perform() == ["privacy.export"]
    await office.work()
    assert await runner.perform() == ["privacy.remove_export"]
    assert runner.files() == []


async def test_it_says_that_the_staff_did_something_and_not_who_of_them(office, customer, runner):
    async with office.shop.database.transaction([customer.tenant_id], actor="staff:mem_grace") as tx:
        changes = CustomerChanges(name="Ada King")
        await customers.update(tx, customer_id=customer.id, changes=changes, now=office.shop.now)
    rows = await office.ask_database(f"select {COLUMNS} from platform.log where actor = 'staff:mem_grace'")
    await office.shop.act(lambda tx: audit.append(tx, rows=rows))
    await office.ask(customer, RequestKind.EXPORT)
    await runner.perform()
    [file] = runner.folder.rglob("*.zip")
    with zipfile.ZipFile(file) as whole:
        said = whole.read("audit_records.jsonl").decode()
    assert '"actor": "staff"' in said
    assert "grace" not in said
