"""Reading subscriptions: what is planned, paused, aligned and added on is there to be seen."""

from datetime import timedelta

import pytest

from guilder.domain.catalog.model import Alignment, Billing
from guilder.domain.subscriptions import service as subscriptions
from guilder.kernel import ids
from guilder.kernel.noun import replace
from guilder.kernel.period import Interval, Unit
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW
from tests.support.builders.subscriptions import a_subscription, terms_of

DAY = timedelta(days=1)


@pytest.fixture
def subscribed(open_tx, customer, plan):
    async def make(**over):
        async with open_tx() as tx:
            return await a_subscription(tx, customer, plan, **{"is_active": True, **over})

    return make


@pytest.fixture
def seen(ask):
    async def read(subscription):
        answer = await ask("GET", f"/api/subscriptions/{ids.to_text('sub', subscription.id)}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return read


async def test_shows_how_it_is_billed_and_the_stub_that_it_is_in(subscribed, seen, plan):
    billing = Billing(alignment=Alignment.CALENDAR, grace_days=2, usage_interval=Interval(Unit.WEEK, 2))
    began = NOW + 9 * DAY
    said = await seen(await subscribed(terms=terms_of(plan, billing=billing), now=began))
    assert said["full_period"] == {"starts_at": "2026-02-28T23:00:00Z", "ends_at": "2026-03-31T22:00:00Z"}
    assert said["current_period_start"] == "2026-03-10T12:00:00Z"
    shown = said["billing"]
    assert (shown["alignment"], shown["basis"], shown["grace_days"]) == ("calendar", "second", 2)
    assert shown["usage_interval"] == {"interval": "week", "interval_count": 2}


async def test_shows_a_change_with_the_date_that_it_is_planned_for(subscribed, seen, open_tx):
    made = await subscribed()
    async with open_tx() as tx:
        await subscriptions.change(tx, ref=made.ref, terms=replace(made.terms, quantity=4), at=NOW + 9 * DAY, now=NOW)
    pending = (await seen(made))["pending_change"]
    assert (pending["quantity"], pending["takes_effect_at"]) == (4, "2026-03-10T12:00:00Z")


async def test_shows_a_pause_before_and_while_it_lasts(subscribed, seen, open_tx):
    made = await subscribed()
    assert (await seen(made))["pause"] is None
    async with open_tx() as tx:
        await subscriptions.pause(tx, ref=made.ref, at_period_end=True, now=NOW)
    assert (await seen(made))["pause"] == {"paused_at": None, "resumes_at": None}
    async with open_tx() as tx:
        await subscriptions.pause(tx, ref=made.ref, resume_at=NOW + 9 * DAY, now=NOW + DAY)
    said = await seen(made)
    assert said["status"] == "paused"
    assert said["pause"] == {"paused_at": "2026-03-02T12:00:00Z", "resumes_at": "2026-03-10T12:00:00Z"}


async def test_shows_a_start_and_an_end_on_a_date_and_what_it_belongs_to(subscribed, seen, open_tx):
    parent = await subscribed()
    async with open_tx() as tx:
        await subscriptions.cancel(tx, ref=parent.ref, at=NOW + 40 * DAY, now=NOW)
    add_on = await subscribed(starts_at=NOW + 9 * DAY, parent_id=parent.id, is_active=False)
    assert (await seen(parent))["cancel_at"] == "2026-04-10T12:00:00Z"
    said = await seen(add_on)
    assert (said["status"], said["starts_at"]) == ("scheduled", "2026-03-10T12:00:00Z")
    assert said["add_on_to"] == ids.to_text("sub", parent.id)


async def test_lists_those_in_one_state_and_an_organizations_own(house, tenant, subscribed, ask, open_tx):
    await subscribed()
    scheduled = await subscribed(starts_at=NOW + DAY, is_active=False)
    found = (await ask("GET", "/api/subscriptions?status=scheduled")).json()["data"]
    assert [each["id"] for each in found] == [ids.to_text("sub", scheduled.id)]
    async with open_tx() as tx:
        await a_customer(tx, organization_id="org_2")
    await house.trusts(tenant)
    theirs = house.user_of("org_2")
    assert (await theirs("GET", "/api/subscriptions")).json()["data"] == []
    unknown = await theirs("GET", f"/api/subscriptions/{ids.to_text('sub', scheduled.id)}")
    assert unknown.status_code == 404
