"""What a tenant may send: a ceiling for all, a lower one for what customers may switch off, and one alarm a day."""

from datetime import timedelta
from decimal import Decimal

import pytest

from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import About, Ceiling, Channel, Kind, Limits, Spent, Status
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import a_message, an_open_invoice
from tests.support.database import connected

EXPIRING = About(brand="visa", last4="4242", expires="2026-03")


async def limited(ground, **over):
    async with ground.tx() as tx:
        await notifications.set_limits(tx, limits=Limits(tenant_id=ground.tenant_id, **over), now=NOW)


async def reached(ground):
    async with connected(ground.admin_url) as admin:
        return await admin.fetchval("select count(*) from platform.log where name = 'notifications.limit.reached'")


@pytest.mark.shows("API4")
async def test_over_the_limit_nothing_goes_and_it_is_said_once(ground):
    await limited(ground, emails=Ceiling(per_day=2))
    for _ in range(4):
        await ground.tell(a_message(ground.customer))
    told = await ground.told()
    assert [each.status for each in told] == [Status.DROPPED, Status.DROPPED, Status.SENT, Status.SENT]
    assert told[0].detail == "the limit of 2 a day is reached"
    assert len(ground.inbox.mails) == 2
    assert await reached(ground) == 1


async def test_what_is_optional_stops_at_four_fifths(ground):
    await limited(ground, emails=Ceiling(per_month=5))
    for _ in range(5):
        await ground.tell(a_message(ground.customer, Kind.CARD_EXPIRING, about=EXPIRING))
    assert len(ground.inbox.mails) == 4
    await ground.tell(a_message(ground.customer))
    assert len(ground.inbox.mails) == 5, "the receipt still has room"
    assert [each.detail for each in await ground.told()][:2] == ["", "the limit of 4 a month is reached"]


async def test_a_message_that_is_tried_again_counts_once(ground):
    await limited(ground, emails=Ceiling(per_day=1))
    ground.inbox.answer = "451 later"
    await ground.tell(a_message(ground.customer))
    ground.inbox.answer = "250 OK"
    async with connected(ground.admin_url) as admin:
        await admin.execute("update platform.intents set due_at = clock_timestamp()")
    await ground.runner.drain()
    assert [each.status for each in await ground.told()] == [Status.SENT]
    async with ground.tx() as tx:
        assert (await notifications.spent(tx, now=NOW))[Channel.EMAIL] == Spent(today=1, this_month=1)
        assert (await notifications.spent(tx, now=NOW + timedelta(days=1)))[Channel.EMAIL] == Spent(this_month=1)


@pytest.mark.shows("API4")
async def test_texts_count_by_segments_and_by_what_these_cost(ground):
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    # A reminder with its link takes two segments; three cents buy three of a cent each, and so one reminder.
    await limited(ground, segment_price=Decimal("0.01"), currency="EUR", cost=Ceiling(per_day=3))
    for _ in range(2):
        await ground.tell(a_message(ground.customer, Kind.PAYMENT_REMINDER, about=About(invoice_id=invoice.id)))
    assert len(ground.phones.texts) == 1
    assert len(ground.inbox.mails) == 2, "mail is counted for itself"
    async with ground.tx() as tx:
        spent = await notifications.spent(tx, now=NOW)
    # The euro sign is one of GSM's, so 160 letters a segment.
    assert spent[Channel.SMS].today == -(-len(ground.phones.texts[0].body) // 153) == 2
