"""Subscriptions that a provider bills itself: followed in whatever order its news comes, and billed by nobody here."""

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest

from guilder.domain.catalog.model import Alignment
from guilder.domain.gateways.model import ElsewhereKind, ElsewhereNews
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.subscriptions.model import Link, Status, Told
from guilder.kernel.period import Period
from tests.support.builders.gateways import a_gateway
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import terms_of

DAY = timedelta(days=1)
FIRST = Period(NOW, NOW + 30 * DAY)
SECOND = Period(FIRST.ends_at, FIRST.ends_at + 31 * DAY)


@pytest.fixture
async def account(open_tx):
    async with open_tx() as tx:
        return await a_gateway(tx)


@pytest.fixture
def linked(open_tx, customer, plan, account):
    async def make(ref="sub_stripe"):
        said = Link(
            tenant_id=customer.tenant_id,
            customer_id=customer.id,
            organization_id=customer.organization_id,
            terms=terms_of(plan),
            account_id=account.id,
            provider_ref=ref,
            period=FIRST,
            time_zone=customer.time_zone,
        )
        async with open_tx() as tx:
            return await subscriptions.link(tx, link=said, now=NOW)

    return make


def news(account, kind, *, after, ref="sub_stripe", period=None, **over):
    said = ElsewhereNews(
        kind=kind,
        subscription_ref=ref,
        period_starts_at=period.starts_at if period else None,
        period_ends_at=period.ends_at if period else None,
        **over,
    )
    return Told(tenant_id=account.tenant_id, account_id=account.id, news=said, at=NOW + after)


@pytest.fixture
def hear(open_tx):
    async def tell(*told):
        async with open_tx() as tx:
            await subscriptions.follow_provider(tx, told=told, now=NOW + 40 * DAY)

    return tell


@pytest.fixture
def seen(open_tx):
    async def read(subscription):
        async with open_tx() as tx:
            return await subscriptions.one(tx, ref=subscription.ref)

    return read


async def test_a_linked_one_runs_and_is_due_at_no_time(linked, open_tx):
    made = await linked()
    assert (made.status, made.next_due_at, made.current_period) == (Status.ACTIVE, None, FIRST)
    async with open_tx() as tx:
        assert await tx.fetch("select * from subscriptions.due($1, 'infinity', 10)", made.tenant_id) == []
        with pytest.raises(subscriptions.AlreadyLinked):
            await subscriptions.link(
                tx,
                link=Link(
                    tenant_id=made.tenant_id,
                    customer_id=made.customer_id,
                    organization_id=made.organization_id,
                    terms=made.terms,
                    account_id=made.billed_by,
                    provider_ref=made.provider_ref,
                    period=FIRST,
                    time_zone=made.time_zone,
                ),
                now=NOW,
            )


@pytest.mark.parametrize(
    ("told", "status", "event"),
    [
        ({"kind": ElsewhereKind.PAID, "period": SECOND}, Status.ACTIVE, "renewed"),
        ({"kind": ElsewhereKind.FAILED}, Status.PAST_DUE, "past_due"),
        ({"kind": ElsewhereKind.UPDATED, "status": "unpaid"}, Status.SUSPENDED, "suspended"),
        ({"kind": ElsewhereKind.UPDATED, "status": "paused"}, Status.PAUSED, "paused"),
        (
            {"kind": ElsewhereKind.UPDATED, "status": "active", "cancel_at_period_end": True},
            Status.ACTIVE,
            "cancel_scheduled",
        ),
        ({"kind": ElsewhereKind.UPDATED, "status": "something new"}, Status.ACTIVE, None),
        ({"kind": ElsewhereKind.ENDED}, Status.CANCELED, "ended"),
    ],
)
async def test_it_follows_what_its_provider_tells(linked, hear, seen, open_tx, account, told, status, event):
    made = await linked()
    await hear(news(account, after=DAY, **told))
    assert (await seen(made)).status is status
    async with open_tx() as tx:
        rows = await tx.fetch("select name from platform.log where name like 'subscriptions.%' order by id")
    after = [row["name"].rpartition(".")[2] for row in rows][2:]
    assert after == ([event] if event else [])


async def test_an_end_is_dated_by_its_wish_as_of_any_other(linked, hear, seen, account):
    made, wished = await linked(), []
    for after, leaves in ((1, True), (2, True), (3, False), (4, True)):
        said = {"status": "active", "cancel_at_period_end": leaves}
        await hear(news(account, ElsewhereKind.UPDATED, after=after * DAY, **said))
        wished.append((await seen(made)).canceled_at)
    assert wished == [NOW + DAY, NOW + DAY, None, NOW + 4 * DAY]


async def test_a_script_of_four_ends_alike_in_every_order_and_told_twice(linked, hear, seen, account):
    script = [
        news(account, ElsewhereKind.FAILED, after=30 * DAY),
        news(account, ElsewhereKind.UPDATED, after=31 * DAY, status="past_due", period=SECOND),
        news(account, ElsewhereKind.PAID, after=33 * DAY, period=SECOND),
        news(account, ElsewhereKind.UPDATED, after=34 * DAY, status="active", period=SECOND, cancel_at_period_end=True),
    ]
    ends = set()
    for n, order in enumerate(permutations(script)):
        made = await linked(f"sub_{n}")
        renamed = [news_as(each, f"sub_{n}") for each in order]
        for each in (*renamed, *renamed[:2]):
            await hear(each)
        now = await seen(made)
        ends.add((now.status, now.current_period, now.cancel_at_period_end, now.told_at))
    assert ends == {(Status.ACTIVE, SECOND, True, NOW + 34 * DAY)}


@pytest.mark.parametrize(
    ("stopped", "told", "events"),
    [
        ("incomplete", "past_due", ["activated", "past_due"]),
        ("incomplete", "unpaid", ["activated", "suspended"]),
        ("unpaid", "past_due", ["recovered", "past_due"]),
        ("paused", "past_due", ["recovered", "past_due"]),
        ("unpaid", "paused", ["paused"]),
        ("past_due", "trialing", ["recovered"]),
        ("incomplete", "incomplete", []),
    ],
)
async def test_what_runs_again_is_told_of_before_it_is_told_to_be_behind(
    linked, hear, open_tx, account, stopped, told, events
):
    await linked()
    await hear(news(account, ElsewhereKind.UPDATED, after=DAY, status=stopped))
    async with open_tx() as tx:
        before = await tx.fetchval("select count(*) from platform.log where name like 'subscriptions.%'")
    await hear(news(account, ElsewhereKind.UPDATED, after=2 * DAY, status=told, period=FIRST))
    async with open_tx() as tx:
        rows = await tx.fetch("select name from platform.log where name like 'subscriptions.%' order by id")
    assert [row["name"].rpartition(".")[2] for row in rows][before:] == events


async def test_news_that_comes_while_it_is_being_linked_is_not_lost(linked, seen, account, open_tx):
    async with open_tx() as tx:
        told = news(account, ElsewhereKind.UPDATED, after=DAY, status="unpaid", period=SECOND)
        await subscriptions.follow_provider(tx, told=[told], now=NOW + 40 * DAY)
        linking = asyncio.create_task(linked())
        await asyncio.sleep(0.3)
    made = await seen(await linking)
    assert (made.status, made.current_period) == (Status.SUSPENDED, SECOND)


async def test_what_has_ended_stays_so(linked, hear, seen, account):
    made = await linked()
    await hear(news(account, ElsewhereKind.ENDED, after=2 * DAY))
    await hear(news(account, ElsewhereKind.PAID, after=3 * DAY, period=SECOND))
    ended = await seen(made)
    assert (ended.status, ended.ended_at) == (Status.CANCELED, NOW + 2 * DAY)


@pytest.mark.parametrize(("after", "ended"), [(timedelta(minutes=4), FIRST.ends_at), (-DAY, FIRST.ends_at - DAY)])
async def test_what_was_to_end_with_its_period_has_ended_with_it_and_not_when_its_provider_said_so(
    linked, account, hear, seen, after, ended
):
    made = await linked()
    leaves = {"status": "active", "cancel_at_period_end": True, "period": FIRST}
    await hear(news(account, ElsewhereKind.UPDATED, after=DAY, **leaves))
    await hear(news(account, ElsewhereKind.ENDED, after=FIRST.ends_at - NOW + after))
    over = await seen(made)
    assert (over.canceled_at, over.ended_at) == (NOW + DAY, ended)


@pytest.mark.parametrize(
    ("before", "leaves", "kind", "says", "is_wished"),
    [
        ("active", False, ElsewhereKind.ENDED, {"status": "canceled"}, True),
        ("past_due", False, ElsewhereKind.ENDED, {"status": "canceled"}, False),
        ("unpaid", False, ElsewhereKind.UPDATED, {"status": "canceled"}, False),
        ("past_due", True, ElsewhereKind.ENDED, {"status": "canceled"}, True),
        ("incomplete", False, ElsewhereKind.UPDATED, {"status": "incomplete_expired"}, False),
        ("active", False, ElsewhereKind.UPDATED, {"status": "incomplete_expired"}, False),
        ("past_due", False, ElsewhereKind.ENDED, {"ended_for": "cancellation_requested"}, True),
        ("active", False, ElsewhereKind.ENDED, {"ended_for": "payment_failed"}, False),
        ("active", False, ElsewhereKind.ENDED, {"ended_for": "payment_disputed"}, False),
        ("past_due", True, ElsewhereKind.ENDED, {"ended_for": "payment_failed"}, True),
    ],
)
async def test_what_ends_for_want_of_payment_was_not_wished_for(
    linked, account, hear, seen, before, leaves, kind, says, is_wished
):
    made = await linked()
    stands = {"status": before, "cancel_at_period_end": leaves}
    await hear(news(account, ElsewhereKind.UPDATED, after=DAY, **stands))
    await hear(news(account, kind, after=2 * DAY, **says))
    over = await seen(made)
    assert (over.ended_at is not None, over.canceled_at is not None) == (True, is_wished)


async def test_news_that_comes_before_the_link_is_what_the_link_begins_with(linked, hear, account, open_tx):
    await hear(news(account, ElsewhereKind.UPDATED, after=2 * DAY, status="past_due", period=SECOND))
    await hear(news(account, ElsewhereKind.UPDATED, after=DAY, status="active", period=FIRST))
    made = await linked()
    assert (made.status, made.current_period) == (Status.PAST_DUE, SECOND)
    async with open_tx() as tx:
        assert await tx.fetchval("select count(*) from subscriptions.unlinked") == 0


async def test_another_accounts_news_is_of_another_subscription(linked, hear, seen, open_tx):
    made = await linked()
    async with open_tx() as tx:
        other = await a_gateway(tx, is_default=False, name="Other")
    await hear(news(other, ElsewhereKind.ENDED, after=DAY))
    assert (await seen(made)).status is Status.ACTIVE


async def test_nobody_changes_it_here(linked, do):
    made = await linked()
    for verb, about in (
        ("cancel", {"at_period_end": True}),
        ("pause", {"at_period_end": False, "resume_at": None}),
        ("move_billing_day", {"alignment": Alignment.BILLING_DAY, "billing_day": 3}),
    ):
        with pytest.raises(subscriptions.IsBilledElsewhere):
            await do(verb, ref=made.ref, now=NOW, **about)


def news_as(told, ref):
    said = told.news
    return Told(
        tenant_id=told.tenant_id,
        account_id=told.account_id,
        news=ElsewhereNews(
            kind=said.kind,
            subscription_ref=ref,
            status=said.status,
            period_starts_at=said.period_starts_at,
            period_ends_at=said.period_ends_at,
            cancel_at_period_end=said.cancel_at_period_end,
        ),
        at=told.at,
    )
