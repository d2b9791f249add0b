"""Money on the worst day: processes killed beside a charge, answers lost, two ways to pay at once, three schedulers.

Every story ends the same: one charge in the provider's own journal, one payment here, and a doctor with nothing to say.
"""

import asyncio
import random
from collections import Counter as Count

import pytest

from tests.scenarios.conftest import START
from tests.support.doctor import assert_healthy
from tests.support.outcomes import (
    FAILURES,
    a_subscriber,
    assert_paid_once,
    is_eligible,
    open_hosted_page,
    pay_on,
    payment_status,
    payments_of,
    rest,
    the_payment,
)
from tests.support.processes import until
from tests.support.world import a_world
from tests.support.worst_day import a_mortal_installation, counter_of, frozen, killed, let_leases_run_out

SCHEDULERS = 3
# A process needs a second or two to come back: killed more often, none of them would ever work.
PAUSE_S = (1.5, 3.0)


@pytest.fixture(scope="module")
async def mortal(cluster, worker_id, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mortal")
    async with a_mortal_installation(cluster, f"money_{worker_id}", folder, workers=1, schedulers=1) as running:
        yield running


@pytest.fixture
async def world(mortal):
    async with a_world(mortal, starts_at=START) as world:
        yield world
        await assert_healthy(mortal, tenant_id=world.tenant_id)


@pytest.fixture
async def counter(world):
    async with counter_of(world) as counter:
        yield counter


@pytest.fixture
async def card(world):
    await world.plan()
    return await a_subscriber(world)


@pytest.fixture
def worker(mortal):
    return mortal.processes["worker1"]


@pytest.mark.parametrize("webhooks", ["ok", "drop"])
async def test_a1_a_worker_killed_after_the_charge_and_before_the_record_has_charged_once(
    world, counter, card, worker, webhooks
):
    await counter.webhooks(webhooks)
    await counter.fault("hold", "confirm", times=1)
    subscription = await world.subscribe(payment_method_id=card["id"])
    held = await counter.until_held("confirm")
    assert held["committed"], "the money has moved, and nobody here knows"
    with killed(worker):
        await counter.release(drop=True)
    await let_leases_run_out(world)

    await assert_paid_once(world, counter, subscription)


async def test_a1_a_worker_killed_while_its_record_waits_for_a_lock_has_charged_once(world, counter, card, worker):
    await counter.webhooks("drop")
    await counter.fault("hold", "prepare", times=1, phase="before")
    subscription = await world.subscribe(payment_method_id=card["id"])
    await counter.until_held("prepare")
    async with frozen(world, "payments.payments") as freeze:
        await counter.release()
        await freeze.until_blocked()

        async def charged():
            return await counter.charges()

        await until(charged, what="the charge")
        worker.kill()
    worker.start()
    await let_leases_run_out(world)

    await assert_paid_once(world, counter, subscription)


async def test_a2_a_worker_killed_before_the_provider_acted_asks_again_under_the_same_key(world, counter, card, worker):
    await counter.fault("hold", "prepare", times=1, phase="before")
    subscription = await world.subscribe(payment_method_id=card["id"])
    held = await counter.until_held("prepare")
    assert not held["committed"], "the attempt is written here, and the provider knows nothing"
    with killed(worker):
        pass
    # What the dead worker asked for is acted on after all, beside what its successor asks.
    await counter.release()
    await let_leases_run_out(world)

    await assert_paid_once(world, counter, subscription)
    assert [payment["status"] for payment in await payments_of(world)] == ["succeeded"]
    [charge] = await counter.charges()
    assert len(await counter.objects(charge["business_key"])) == 1, "one key, one object"


async def test_b1_no_answer_to_a_charge_is_never_a_failure(world, counter, card):
    await counter.webhooks("hold")
    await counter.fault("drop_after", "confirm")
    await counter.fault("status", "lookup", status=503)
    await world.heard()
    subscription = await world.subscribe(payment_method_id=card["id"])

    async def in_doubt():
        return await payment_status(world) == "unknown"

    await until(in_doubt, what="doubt")
    assert len(await counter.charges()) == 1, "charged, and no answer"
    assert (await world.get(f"/api/subscriptions/{subscription['id']}"))["status"] == "processing"
    assert not await is_eligible(world), "no access from a payment that is only pending"
    [invoice] = await world.get("/api/invoices")
    repaid = await world.post(f"/api/invoices/{invoice['id']}/pay", {"payment_method_id": card["id"]})
    assert repaid["payment_id"] == (await the_payment(world))["id"], "no second attempt beside one in doubt"
    assert not FAILURES & set(await world.mails("acme"))

    await counter.well_again()
    await counter.webhooks("ok")
    await assert_paid_once(world, counter, subscription)
    assert "payments.payment.failed" not in await world.heard()


async def test_b1_a_card_that_charges_and_hangs_up_is_looked_up_without_any_webhook(world, counter):
    await world.plan()
    card = await a_subscriber(world, "pm_card_charged_no_answer")
    await counter.webhooks("drop")
    subscription = await world.subscribe(payment_method_id=card["id"])

    await assert_paid_once(world, counter, subscription)


async def test_b2_no_answer_and_no_charge_is_driven_again_to_one_charge(world, counter):
    await world.plan()
    card = await a_subscriber(world, "pm_card_not_charged_no_answer")
    await counter.fault("drop_before", "prepare", times=1)
    subscription = await world.subscribe(payment_method_id=card["id"])

    await assert_paid_once(world, counter, subscription)
    assert len(await payments_of(world)) == 1, "the same attempt, not another one"


async def an_open_page(world):
    """A subscription whose customer has opened the link and stands before the provider's page, undecided."""
    await world.plan()
    await world.customer()
    subscription = await world.subscribe()
    opened = await open_hosted_page(world, subscription["payment_link"])
    card = await world.card("acme", "pm_card_ok")
    [invoice] = await world.get("/api/invoices")
    return subscription, opened, card, invoice


@pytest.mark.shows("fault F9", "ASVS 2.3.3")
async def test_b7_a_page_paid_while_it_is_being_closed_for_an_automatic_charge_moves_money_once(world, counter):
    subscription, page, card, invoice = await an_open_page(world)
    await counter.fault("hold", "cancel", times=1, phase="before")
    await world.post(f"/api/invoices/{invoice['id']}/pay", {"payment_method_id": card["id"]})
    await counter.until_held("cancel")
    await pay_on(page)
    await counter.release()

    await assert_paid_once(world, counter, subscription)


async def test_b7_an_automatic_charge_closes_the_open_page_first_and_is_the_only_one(world, counter):
    subscription, page, card, invoice = await an_open_page(world)
    await world.post(f"/api/invoices/{invoice['id']}/pay", {"payment_method_id": card["id"]})
    await until(lambda: is_eligible(world), what="the automatic charge")
    late = await pay_on(page)
    assert late.status_code == 409, "the page is closed"

    await assert_paid_once(world, counter, subscription)
    assert sorted(payment["status"] for payment in await payments_of(world)) == ["canceled", "succeeded"]


async def test_b7_a_page_cannot_be_opened_beside_an_automatic_charge_that_is_under_way(world, counter, card):
    await counter.webhooks("hold")
    await counter.fault("hold", "confirm", times=1)
    subscription = await world.subscribe(payment_method_id=card["id"])
    await counter.until_held("confirm")
    [invoice] = await world.get("/api/invoices")
    repaid = await world.post(f"/api/invoices/{invoice['id']}/pay", {})
    assert repaid["payment_id"] == (await the_payment(world))["id"]
    await counter.release()
    await counter.webhooks("ok")

    await assert_paid_once(world, counter, subscription)


async def kept_falling(processes, is_over, *, fell, seed):
    """Kill -9 one of the processes again and again, never all at once, and start it again; say each time that it fell."""
    chance = random.Random(seed)
    kills = 0
    while not is_over.is_set():
        with killed(chance.choice(processes)):
            kills += 1
            fell.release()
            await asyncio.sleep(chance.uniform(0.05, 0.4))
        await asyncio.sleep(chance.uniform(*PAUSE_S))
    return kills


async def lines_billed(world):
    """Every line of every invoice: which subscription it is for, and from when."""
    found, cursor = [], None
    while True:
        query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        answer = (await world.http.get("/api/invoices", params=query)).json()
        found += [(line["subscription_id"], line["period_start"]) for each in answer["data"] for line in each["lines"]]
        cursor = answer["page"]["next_cursor"]
        if not cursor:
            return found


@pytest.fixture
def schedulers(mortal):
    """Three of them; the two that were added are gone again when the test is over."""
    for number in range(2, SCHEDULERS + 1):
        mortal.add(f"scheduler{number}", "-m", "guilder", "schedule")
    yield [mortal.processes[f"scheduler{number}"] for number in range(1, SCHEDULERS + 1)]
    for number in range(2, SCHEDULERS + 1):
        mortal.processes.pop(f"scheduler{number}").stop()


@pytest.mark.parametrize(
    ("customers", "renewals"),
    [
        pytest.param(6, 3, marks=pytest.mark.timeout(600)),
        pytest.param(20, 12, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
async def test_e5_three_schedulers_that_keep_falling_bill_each_renewal_once(
    world, counter, schedulers, customers, renewals
):
    await world.plan(amount=1000)

    async def begin(organization_id):
        card = await a_subscriber(world, organization_id=organization_id)
        return await world.subscribe(organization_id, payment_method_id=card["id"])

    subscriptions = await asyncio.gather(*(begin(f"org-{number:02}") for number in range(customers)))
    await rest(world)
    assert len(await counter.charges()) == customers

    is_over, fell = asyncio.Event(), asyncio.Semaphore(0)
    falling = asyncio.create_task(kept_falling(schedulers, is_over, fell=fell, seed=5))
    try:
        for month in range(renewals):
            async with asyncio.timeout(60):
                await fell.acquire()  # however quick a month is, one of them falls at its beginning
            await world.advance(to=f"{2026 + (month + 2) // 12}-{(month + 2) % 12 + 1:02}-01T00:00:00Z")
    finally:
        is_over.set()
        kills = await falling

    assert kills >= renewals, "they hardly fell"
    keys = Count(charge["business_key"] for charge in await counter.charges())
    assert len(keys) == customers * (renewals + 1)
    assert set(keys.values()) == {1}
    billed = Count(await lines_billed(world))
    assert set(billed.values()) == {1}
    assert Count(of for of, _ in billed) == {each["id"]: renewals + 1 for each in subscriptions}
