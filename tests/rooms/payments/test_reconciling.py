"""What providers' own books say: lost news is heard, what does not agree is shown, what a restore lost is not charged again."""

from datetime import timedelta

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import OutcomeKind, ProviderRecord, Reading, RequestKind
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, RefundReason, Status, Via
from guilder.kernel.errors import NotFound
from guilder.kernel.ids import Ref
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery
from guilder.platform.clock import WallClock
from tests.support.builders.payments import a_till
from tests.support.database import connected

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def till(database, provider):
    """The provider dates what it does by the wall, so the till does, too."""
    async with a_till(database, provider, now=WallClock().now()) as till:
        yield till


async def read_books(till):
    async with till.tx() as tx:
        await gateways.read_books(tx, accounts=[await gateways.one(tx, account_id=till.account.id)], now=till.now)
    await till.settle()


async def told(till, *records, since=None, until=None):
    """Have these entries read, as if the provider's books had them."""
    async with till.tx() as tx:
        [opened] = await gateways.open_accounts(tx)
        reading = Reading(account=opened, since=since or till.now - DAY, until=until or till.now)
        await gateways.record_readings(tx, read=[(reading, records)], now=till.now)
    await till.settle()


def an_entry(till, **over):
    said = {
        "kind": RequestKind.CHARGE,
        "provider_ref": "pi_1",
        "charge_ref": "ch_1",
        "business_key": f"{till.tenant.tenant_id}:{till.customer.id}:1",
        "claim": "",
        "status": OutcomeKind.SUCCEEDED,
        "amount": Money(4900, "EUR"),
        "at": till.now - HOUR,
    }
    return ProviderRecord(**{**said, **over})


async def differences(till):
    async with till.tx() as tx:
        page = await payments.differences(tx, query=PageQuery())
    return [(each.what, each.ours_minor, each.theirs_minor, each.resolution) for each in page.items]


async def test_a_charge_whose_answer_and_webhook_were_lost_is_found_in_the_books(till):
    await till.a_card()
    payment = await till.collect()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "confirm"})
    await till.settle()
    assert (await till.payment(payment)).status is Status.UNKNOWN
    till.clock.move_by(HOUR)
    await read_books(till)
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [4900]
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}
    assert await differences(till) == []


async def test_reading_again_brings_nothing_new_and_tells_nobody(till):
    await till.a_card()
    await till.collect()
    await till.settle()
    till.clock.move_by(HOUR)
    for _ in range(2):
        await read_books(till)
    async with till.tx() as tx:
        rows = await tx.fetch(
            "select payload->>'changed' as n from platform.log where name = 'gateways.books.read' order by id"
        )
    assert [row["n"] for row in rows] == ["1", "0"]
    assert (await till.heard()).count("payments.payment.succeeded") == 1


async def test_another_amount_is_a_difference_and_changes_nothing(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    paid = await till.payment(payment)
    off = an_entry(
        till, provider_ref=paid.provider_ref, business_key=paid.business_key, amount=Money(4901, "EUR"), claim=""
    )
    for _ in range(2):
        await told(till, off)
    assert await differences(till) == [("amount", 4900, 4901, "")]
    assert (await till.heard()).count("payments.difference.found") == 1
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}


async def test_what_the_books_do_not_have_after_a_day_is_shown_and_resolved_when_they_have_it(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    paid = await till.payment(payment)
    await told(till, since=till.now - DAY, until=till.now + HOUR)
    assert await differences(till) == [], "a day has not passed"
    till.clock.move_by(2 * DAY)
    await told(till, since=till.now - 2 * DAY, until=till.now)
    assert await differences(till) == [("only_here", 4900, None, "")]
    await told(till, an_entry(till, provider_ref=paid.provider_ref, business_key=paid.business_key))
    assert await differences(till) == [("only_here", 4900, None, "the books have it by now")]


async def test_others_business_at_the_same_account_is_none_of_ours(till):
    await told(till, an_entry(till, business_key=""), an_entry(till, provider_ref="pi_2", business_key="order-17"))
    async with till.tx() as tx:
        assert await payments.homeless(tx) == []
    assert await differences(till) == []


async def test_fees_are_booked_once_however_often_they_are_read(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    paid = await till.payment(payment)
    entry = an_entry(
        till, provider_ref=paid.provider_ref, business_key=paid.business_key, fee=Money(172, "EUR"), at=paid.settled_at
    )
    for _ in range(3):
        await told(till, entry)
    assert await till.balances() == {("cash", "EUR"): 4728, ("receivable", "EUR"): -4900, ("fees", "EUR"): 172}
    async with till.tx() as tx:
        [settlement] = await payments.settlements(tx, since=till.now - DAY, until=till.now + DAY)
    assert (settlement.fees_minor, settlement.net_there_minor, settlement.is_agreed) == (172, 4728, True)


async def test_a_refund_that_the_books_have_is_done_and_one_nobody_asked_for_is_shown(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    till.merchant.sim("faults", {"mode": "drop_after", "op": "refund"})
    till.merchant.sim("faults", {"mode": "status", "op": "lookup", "times": 5})
    async with till.tx() as tx:
        asked = NewRefund(payment_id=payment.id, reason="kind", reason_code=RefundReason.REQUESTED, amount_minor=900)
        made = await payments.make_refund(tx, refund=asked, now=till.now)
    await till.settle()
    till.clock.move_by(HOUR)
    stray = an_entry(
        till,
        kind=RequestKind.REFUND,
        provider_ref="re_stray",
        business_key=f"{till.tenant.tenant_id}:refund:{till.customer.id}",
        amount=Money(100, "EUR"),
    )
    done = an_entry(
        till, kind=RequestKind.REFUND, provider_ref="re_1", business_key=made.business_key, amount=Money(900, "EUR")
    )
    await told(till, stray, done)
    async with till.tx() as tx:
        assert (await payments.refund(tx, refund_id=made.id)).status == "succeeded"
    assert await differences(till) == [("refund_only_there", None, 100, "")]


async def restored_before(till, database_urls, payment):
    """Take our rows of a payment away, as a restore of an hour ago would; the provider keeps its own."""
    key = payment.business_key
    async with connected(database_urls.admin) as admin:
        await admin.execute("set session_replication_role = replica")
        await admin.execute("delete from payments.payments where business_key = $1", key)
        await admin.execute("delete from gateways.requests where business_key = $1", key)
        await admin.execute("delete from payments.states where payment_id = $1", payment.id)
        await admin.execute("delete from ledger.postings")
        await admin.execute("delete from ledger.entries")
        await admin.execute("delete from platform.intents")


@pytest.mark.parametrize("via", [Via.SAVED, Via.LINK])
async def test_what_a_restore_lost_pays_for_what_is_billed_again(till, database_urls, via):
    await till.a_card()
    payment = await till.collect(claim="march")
    await till.settle()
    lost = await till.payment(payment)
    await restored_before(till, database_urls, lost)
    async with till.tx() as tx:
        account = await gateways.one(tx, account_id=till.account.id)
        await gateways.quarantine(tx, accounts=[account], now=till.now)
    waiting = await till.collect(claim="april")
    await till.settle()
    assert (await till.payment(waiting)).status is Status.REQUESTED, "nothing is charged in quarantine"
    till.clock.move_by(HOUR)
    async with till.tx() as tx:
        await gateways.read_books(tx, accounts=[account], since=till.now - 2 * DAY, now=till.now)
    await till.settle()
    async with till.tx() as tx:
        [found] = await payments.homeless(tx)
        assert (found.claim, found.amount, found.provider_ref) == ("march", lost.amount, lost.provider_ref)
        await gateways.release(tx, accounts=[account])

    # Another invoice for the same thing: its id and number are new, what it bills is not.
    adopted = await till.payment(await till.collect(claim="march", via=via))
    assert (adopted.status, adopted.provider_ref) == (Status.SUCCEEDED, lost.provider_ref)
    again = await till.collect(claim="march", via=via)
    await till.settle()
    async with till.tx() as tx:
        assert await payments.homeless(tx) == []
    assert (await till.payment(again)).provider_ref != lost.provider_ref, "each pays once"
    # The lost charge, and those of `again` and of what waited where a card was charged.
    assert len(till.merchant.charged()) == (2 if via is Via.SAVED else 1)


async def test_a_found_charge_of_another_amount_is_left_to_a_person(till, database_urls):
    await till.a_card()
    payment = await till.collect(claim="march")
    await till.settle()
    await restored_before(till, database_urls, await till.payment(payment))
    till.clock.move_by(HOUR)
    await read_books(till)
    parked = await till.payment(await till.collect(claim="march", amount=Money(5000, "EUR")))
    await till.settle()
    assert (parked.status, parked.alert) == (Status.UNKNOWN, "amount_mismatch")
    assert till.merchant.charged() == [4900]


async def test_a_person_may_put_a_found_charge_aside_once(till):
    await told(till, an_entry(till))
    async with till.tx() as tx:
        [found] = await payments.homeless(tx)
        await payments.put_aside(tx, found_id=found.id, reason="given back at the provider", now=till.now)
        assert await payments.homeless(tx) == []
    async with till.tx() as tx:
        with pytest.raises(NotFound):
            await payments.put_aside(tx, found_id=found.id, reason="again", now=till.now)


@pytest.mark.parametrize("via", [Via.SAVED, Via.LINK])
async def test_what_was_billed_again_before_the_books_were_read_is_paid_by_what_they_bring(till, database_urls, via):
    await till.a_card()
    payment = await till.collect(claim="march")
    await till.settle()
    lost = await till.payment(payment)
    await restored_before(till, database_urls, lost)
    async with till.tx() as tx:
        account = await gateways.one(tx, account_id=till.account.id)
        await gateways.quarantine(tx, accounts=[account], now=till.now)
    again = await till.collect(claim="march", via=via)
    await till.settle()
    till.clock.move_by(HOUR)
    async with till.tx() as tx:
        await gateways.read_books(tx, accounts=[account], since=till.now - 2 * DAY, now=till.now)
    await till.settle()
    async with till.tx() as tx:
        await gateways.release(tx, accounts=[account])
    till.clock.move_by(HOUR)
    async with till.tx() as tx:
        if via is Via.SAVED:
            await payments.look_after(tx, refs=[again.ref], now=till.now)
        else:
            await payments.open_session(tx, invoice_id=again.invoice_id, return_url="https://x.test/", now=till.now)
    await till.settle()
    adopted = await till.payment(again)
    assert (adopted.status, adopted.provider_ref) == (Status.SUCCEEDED, lost.provider_ref)
    assert till.merchant.charged() == [4900]


async def test_an_attempt_made_again_is_the_found_one_of_its_business_key_though_it_has_no_claim(till):
    await till.a_card()
    invoice = till.customer.id
    await told(till, an_entry(till, business_key=f"{till.tenant.tenant_id}:{invoice}:1"))
    payment = await till.payment(await till.collect(invoice_id=invoice))
    assert (payment.business_key, payment.status) == (f"{till.tenant.tenant_id}:{invoice}:1", Status.SUCCEEDED)
    assert till.merchant.charged() == []


async def test_what_the_books_have_is_asked_of_the_provider_no_more(till):
    await till.a_card()
    payment = await till.collect()
    async with till.tx() as tx:
        await payments.start(tx, refs=[payment.ref], now=till.now)
    key = (await till.payment(payment)).business_key
    await told(till, an_entry(till, business_key=key))
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert till.merchant.charged() == [], "our runner had not asked for it yet, and never does"


async def test_a_second_charge_there_under_the_key_of_one_that_paid_is_shown(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    await told(till, an_entry(till, business_key=(await till.payment(payment)).business_key))
    assert await differences(till) == [("only_there", None, 4900, "")]
    assert await till.balances() == {("cash", "EUR"): 4900, ("receivable", "EUR"): -4900}


async def test_a_fee_in_another_currency_than_the_charge_is_not_booked_in_the_charges(till):
    await told(till, an_entry(till, fee=Money(172, "USD")))
    assert await till.balances() == {}


async def test_the_books_of_an_account_that_is_connected_now_are_due_from_now_on(till):
    live = await till.another_account()
    async with till.tx() as tx:
        due = await tx.fetch("select id from gateways.books_due($1, $2, 10)", till.tenant.tenant_id, till.now)
    assert live.id in {row["id"] for row in due}


async def test_a_debit_that_was_pending_when_its_day_was_read_is_no_difference(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    paid = await till.payment(payment)
    said = {"provider_ref": paid.provider_ref, "charge_ref": paid.charge_ref, "business_key": paid.business_key}
    await told(till, an_entry(till, **said, status=OutcomeKind.UNKNOWN))
    till.clock.move_by(2 * DAY)
    await told(till, since=till.now - 2 * DAY, until=till.now)
    assert await differences(till) == []


@pytest.mark.parametrize(
    ("status", "resolution"), [(OutcomeKind.SUCCEEDED, "the books have it by now"), (OutcomeKind.DECLINED, "")]
)
async def test_what_a_page_calls_otherwise_is_found_by_its_key_once_the_books_have_it(till, status, resolution):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    till.clock.move_by(2 * DAY)
    await told(till, since=till.now - 2 * DAY, until=till.now)
    key, charge = (await till.payment(payment)).business_key, (await till.payment(payment)).charge_ref
    await told(till, an_entry(till, provider_ref="pi_of_the_page", charge_ref=charge, business_key=key, status=status))
    assert await differences(till) == [("only_here", 4900, None, resolution)]


async def refund(till, payment, amount):
    async with till.tx() as tx:
        wish = NewRefund(payment_id=payment.id, reason="kind", amount_minor=amount)
        return await payments.make_refund(tx, refund=wish, now=till.now)


@pytest.mark.parametrize(
    ("is_read", "paid_as"),
    [(False, ""), (True, ""), (True, "pi_of_the_page")],
    ids=["before the books are read", "after", "a page calls its charge otherwise"],
)
async def test_a_refund_that_a_restore_lost_is_the_one_that_is_made_again(till, database_urls, is_read, paid_as):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    for amount in (900, 900, 500):
        await refund(till, payment, amount)
    await till.settle()
    async with connected(database_urls.admin) as admin:
        await admin.execute("set session_replication_role = replica")
        for gone in ("payments.refunds", "gateways.requests where kind = 'refund'", "platform.intents"):
            await admin.execute(f"delete from {gone}")
    async with till.tx() as tx:
        account = await gateways.one(tx, account_id=till.account.id)
        await gateways.quarantine(tx, accounts=[account], now=till.now)
    made = [] if is_read else [await refund(till, payment, amount) for amount in (900, 700)]
    till.clock.move_by(HOUR)
    async with till.tx() as tx:
        await gateways.read_books(tx, accounts=[account], since=till.now - 2 * DAY, now=till.now)
    await till.settle()
    if paid_as:
        async with connected(database_urls.admin) as admin:
            await admin.execute("update gateways.books set provider_ref = $1 where kind = 'charge'", paid_as)
    async with till.tx() as tx:
        found = (await payments.differences(tx, query=PageQuery(), is_open=True)).items
        assert sorted((each.theirs_minor, each.payment_id == payment.id) for each in found) == [
            (500, True),
            (900, True),
            (900, True),
        ]
        await gateways.release(tx, accounts=[account])
    made = made or [await refund(till, payment, amount) for amount in (900, 700)]
    till.clock.move_by(HOUR)
    async with till.tx() as tx:
        due = await tx.fetch("select tenant_id, id from gateways.requests where check_due_at <= $1", till.now)
        await gateways.look_again(tx, refs=[Ref(*row) for row in due], now=till.now)
    await till.settle_in_time()
    assert sorted(each["amount"] for each in till.merchant.journal()["refunds"]) == [500, 700, 900, 900]
    await read_books(till)
    async with till.tx() as tx:
        assert {(await payments.refund(tx, refund_id=each.id)).status for each in made} == {"succeeded"}
        left = (await payments.differences(tx, query=PageQuery(), is_open=True)).items
    assert sorted(each.theirs_minor for each in left) == [500, 900]
