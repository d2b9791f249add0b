"""What happened to a case, why, and who did it."""

import asyncpg
import pytest

from guilder.domain.dunning import service as dunning
from guilder.domain.dunning.events import CaseChanged
from guilder.domain.dunning.model import Status
from guilder.domain.dunning.rules.lifecycle import MOVES
from tests.support.builders.dunning import a_customer_behind
from tests.support.builders.orders import days, says_yes

OPEN, EXHAUSTED = "open", "exhausted"
UNPAID = [
    ("opened", None, OPEN),
    ("retried", OPEN, OPEN),
    ("failed", OPEN, OPEN),
    ("reminded", OPEN, OPEN),
    ("retried", OPEN, OPEN),
    ("failed", OPEN, OPEN),
    ("reminded", OPEN, OPEN),
    ("retried", OPEN, OPEN),
    ("failed", OPEN, OPEN),
    (EXHAUSTED, OPEN, EXHAUSTED),
    ("blocked", EXHAUSTED, EXHAUSTED),
]


async def test_it_has_every_step_of_a_renewal_that_is_never_paid(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(8))
    told = await behind.history()
    assert sorted(told) == sorted(UNPAID)
    assert [each for each in told if each[0] != "reminded"] == [each for each in UNPAID if each[0] != "reminded"]


async def test_each_line_has_its_reason_its_payment_and_who_did_it(shop):
    behind = await a_customer_behind(shop)
    case = await behind.case()
    async with shop.database.transaction([case.tenant_id], actor="anna") as tx:
        await dunning.pause(tx, case_id=case.id, until=None, reason="promised to pay", now=shop.now)
    opened, paused = await shop.act(lambda tx: dunning.changes(tx, case_id=case.id))
    assert (opened.n, opened.reason, opened.actor) == (1, "insufficient_funds", "test")
    assert opened.payment_id is not None
    assert opened.next_retry_at == case.next_retry_at
    assert (paused.n, paused.reason, paused.actor, paused.payment_id) == (2, "promised to pay", "anna", None)


async def test_its_states_follow_each_other_as_the_table_allows(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(4))
    await behind.pauses()
    await shop.advance(behind.failed_at + days(9))
    await behind.resumes()
    await shop.advance(behind.failed_at + days(10))
    shop.bank = says_yes
    await shop.card(behind.customer, last4="1111")
    await shop.drain()
    told = await behind.history()
    assert told[-1] == ("recovered", EXHAUSTED, "recovered")
    assert [was for _, was, _ in told[1:]] == [became for _, _, became in told[:-1]]
    for _, was, became in told[1:]:
        assert Status(became) in MOVES[Status(was)].values() or was == became


async def test_each_line_is_announced_with_it(shop):
    behind = await a_customer_behind(shop)
    await shop.advance(behind.failed_at + days(4))
    said = [(each.change, each.from_status, each.to_status) for each in shop.heard if isinstance(each, CaseChanged)]
    assert said == await behind.history()


async def test_it_is_never_rewritten(shop):
    behind = await a_customer_behind(shop)
    for sql in ("update dunning.changes set change = 'failed'", "delete from dunning.changes"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shop.act(lambda tx, sql=sql: tx.execute(sql))
    assert len(await behind.history()) == 1
