"""What a process remembers is forgotten when any other says so, and nothing is remembered that could not be forgotten."""

import asyncio
from uuid import uuid4

from guilder.kernel.ids import TenantId
from guilder.platform.cache.near import LEASE_S, NAMES_AT_ONCE, RIGHTS, Near, Teller
from tests.support.database import connected
from tests.support.nearby import PATIENT_S, hears, listening

TENANT = TenantId(uuid4())
SUBJECT = "entitlements:org_1"


async def is_old(mark) -> None:
    async with asyncio.timeout(PATIENT_S):
        while not mark.is_old:
            await asyncio.sleep(0.01)


def test_where_nobody_listens_nothing_is_kept(database):
    assert Near(database.listen).mark(TENANT, SUBJECT) is None


async def test_what_another_process_touches_is_old(database):
    async with listening(database) as near:
        mark, other = near.mark(TENANT, SUBJECT), near.mark(TENANT, "entitlements:org_2")
        await Teller(database.pool).touched({(TENANT, SUBJECT)})
        await is_old(mark)
        assert not other.is_old
        assert near.mark(TENANT, SUBJECT) is not mark


async def test_what_this_process_touches_is_old_before_it_says_that_it_is_done(database):
    async with listening(database) as near:
        mark = near.mark(TENANT, SUBJECT)
        await Teller(database.pool, near).touched({(TENANT, SUBJECT)})
        assert mark.is_old


async def test_a_batch_of_more_than_one_notification_holds_is_told_whole(database):
    subjects = [f"entitlements:org_{n}" for n in range(2 * NAMES_AT_ONCE + 1)]
    async with listening(database) as near:
        marks = [near.mark(TENANT, each) for each in subjects]
        await Teller(database.pool).touched({(TENANT, each) for each in subjects})
        for each in marks:
            await is_old(each)


async def test_when_the_connection_is_lost_everything_is_old_and_it_listens_again(database, database_urls):
    async with listening(database) as near:
        mark = near.mark(TENANT, SUBJECT)
        async with connected(database_urls.admin) as admin:
            await admin.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and query ilike '%listen%guilder_touched%'
                      and pid <> pg_backend_pid()"""
            )
        await is_old(mark)
        await hears(near)
        again = near.mark(TENANT, SUBJECT)
        await Teller(database.pool).touched({(TENANT, SUBJECT)})
        await is_old(again)


async def test_who_takes_a_right_waits_until_nobody_remembers_it(database):
    """However late or lost the word of it: what was read before the commit counts no longer than this."""
    began = asyncio.get_running_loop().time()
    await Teller(database.pool).touched({(TENANT, RIGHTS)})
    assert asyncio.get_running_loop().time() - began >= LEASE_S


async def test_a_word_that_cannot_be_said_stops_nobody(database):
    async with listening(database) as near:
        mark = near.mark(TENANT, SUBJECT)

        class Gone:
            def acquire(self):
                raise OSError

        await Teller(Gone(), near).touched({(TENANT, SUBJECT)})
        assert mark.is_old
