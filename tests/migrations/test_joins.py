"""What triggers make of an update holds for one row and for a batch: its plan is made for whichever comes first, and kept."""

import pytest

from tests.support.database import connected

UPDATED = """
select c.oid::regclass::text as relation, min(a.attname) as a_column
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
   and a.attidentity = ''
 where t.tgoldtable is not null and t.tgnewtable is not null and not t.tgisinternal
 group by c.oid
"""


@pytest.fixture
async def admin(database_urls):
    async with connected(database_urls.admin) as admin:
        yield admin


async def test_no_trigger_holds_each_new_row_against_all_that_were_there_before(admin):
    """An update of no row plans what its triggers do, as one of a single row does."""
    plans: dict[str, list[str]] = {}
    relations = await admin.fetch(UPDATED)
    await admin.execute("set debug_print_plan = on")
    for each in relations:
        heard = plans[each["relation"]] = []

        def listen(_, message, heard=heard):
            heard.append(message.detail or "")

        admin.add_log_listener(listen)
        await admin.execute("set client_min_messages = log")
        await admin.execute(f"update {each['relation']} set {each['a_column']} = {each['a_column']} where false")
        await admin.execute("set client_min_messages = notice")
        admin.remove_log_listener(listen)
    joins = {relation for relation, heard in plans.items() if any("JOIN" in plan for plan in heard)}
    assert {"subscriptions.subscriptions", "payments.payments", "invoicing.invoices"} <= joins, joins
    assert not {relation for relation, heard in plans.items() if any("NESTLOOP" in plan for plan in heard)}
