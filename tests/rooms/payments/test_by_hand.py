"""Transfers: shown to the customer, recorded by staff, booked and given back as anybody's money."""

from datetime import timedelta

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.adapters.manual.client import ref_of as named_by_the_gateway
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import NewRefund, Receipt, RefundStatus, Route, Status, Target, Via
from guilder.domain.payments.rules.transfers import ref_of
from guilder.kernel import ids
from guilder.kernel.errors import Conflict, Invalid
from guilder.kernel.money import Money
from guilder.kernel.page import PageQuery


def receipt(till, **over):
    return Receipt(**{"happened_at": till.now - timedelta(hours=3), "reference": "ST-7/12", **over})


async def record(till, payment, amount=4900, **over):
    async with till.tx() as tx:
        return await payments.record_receipt(
            tx, payment_id=payment.id, amount_minor=amount, receipt=receipt(till, **over), now=till.now
        )


async def transfer(till, payable, amount=4900, **over):
    async with till.tx() as tx:
        return await payments.record_transfer(
            tx, payable=payable, amount_minor=amount, receipt=receipt(till, **over), now=till.now
        )


async def open_by_transfer(till):
    bank = await till.a_manual_account()
    target = Target(account_id=bank.id)
    await till.routed(Route(id=ids.new(till.now), name="Bank", targets=(target,)))
    return bank, await till.open(await till.collect(via=Via.LINK))


async def requests(till):
    async with till.tx() as tx:
        rows = await tx.fetch("select kind, is_settled, check_due_at from gateways.requests order by id")
    return [(row["kind"], row["is_settled"], row["check_due_at"]) for row in rows]


async def test_the_customer_reads_what_to_transfer_where(till):
    bank, payment = await open_by_transfer(till)
    assert (payment.status, payment.account_id, payment.action_url) == (Status.REQUIRES_ACTION, bank.id, "")
    async with till.tx() as tx:
        shown = await payments.transfer_of(tx, payment=payment)
    assert (shown.amount, shown.instructions) == (payment.amount, "To: Guilder Ltd\nIBAN: NL00 BANK 0000")
    assert shown.reference.startswith("INV-")
    assert len(shown.reference) == len("INV-") + 12
    assert (await till.open(payment)).provider_ref == payment.provider_ref, "it is not asked for a second time"


async def test_a_transfer_that_came_in_is_booked_and_told_of_once(till):
    _, payment = await open_by_transfer(till)
    for _ in range(3):
        paid = await record(till, payment, note="by Mrs. Jansen")
        await till.settle()
    assert (paid.status, paid.settled_at, paid.charge_ref) == (
        Status.SUCCEEDED,
        till.now - timedelta(hours=3),
        "ST-7/12",
    )
    assert paid.provider_ref == payment.provider_ref
    assert (await till.heard()).count("payments.payment.succeeded") == 1
    booked = {account.partition(":")[0]: minor for (account, _), minor in (await till.balances()).items()}
    assert booked == {"receivable": -4900, "cash": 4900}
    assert await requests(till) == [("charge", True, None)]
    async with till.tx() as tx:
        [row] = await tx.fetch("select * from payments.by_hand")
    assert (row["payment_id"], row["reference"], row["recorded_by"]) == (payment.id, "ST-7/12", "test")
    assert b"Jansen" not in row["sealed_note"]


async def test_a_link_that_nobody_opened_can_be_paid_by_transfer(till):
    bank = await till.a_manual_account()
    payment = await till.collect(via=Via.LINK)
    paid = await record(till, payment)
    await till.settle()
    assert (paid.status, paid.account_id, paid.id) == (Status.SUCCEEDED, bank.id, payment.id)
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert paid.provider_ref == ref_of(payment.business_key) == named_by_the_gateway(payment.business_key)


@pytest.mark.parametrize("amount", [4899, 4901, 1])
async def test_another_amount_is_refused_by_its_field(till, amount):
    _, payment = await open_by_transfer(till)
    with pytest.raises(Invalid) as refused:
        await record(till, payment, amount)
    assert refused.value.field == "amount"
    assert (await till.payment(payment)).status is Status.REQUIRES_ACTION


async def test_what_has_not_happened_yet_is_not_recorded(till):
    _, payment = await open_by_transfer(till)
    with pytest.raises(Invalid) as refused:
        await record(till, payment, happened_at=till.now + timedelta(seconds=1))
    assert refused.value.field == "received_at"


async def test_what_a_provider_may_know_of_is_not_recorded_by_hand(till):
    await till.a_manual_account()
    payment = await till.open(await till.collect(via=Via.LINK))
    with pytest.raises(payments.KnownToProvider):
        await record(till, payment)
    with pytest.raises(payments.KnownToProvider):
        await transfer(till, till.payable(invoice_id=payment.invoice_id))
    assert (await till.payment(payment)).account_id == till.account.id


async def test_without_an_account_for_transfers_none_is_recorded(till):
    payment = await till.collect(via=Via.LINK)
    with pytest.raises(payments.NoManualAccount):
        await record(till, payment)
    assert (await till.payment(payment)).status is Status.AWAITING_CUSTOMER


async def test_a_transfer_for_an_invoice_takes_the_place_of_what_was_not_asked_yet(till):
    await till.a_card()
    await till.a_manual_account()
    payable = till.payable()
    requested = await till.collect(payable)
    paid = await transfer(till, payable)
    await till.settle()
    assert (paid.status, paid.attempt, paid.via) == (Status.SUCCEEDED, 2, Via.LINK)
    assert (await till.payment(requested)).status is Status.CANCELED
    assert till.merchant.get("/v1/payment_intents").json()["data"] == []


async def test_a_transfer_is_recorded_for_an_invoice_that_nothing_is_collected_for(till):
    await till.a_manual_account()
    payable = till.payable()
    first = await transfer(till, payable)
    again = await transfer(till, payable)
    assert (first.status, again.id, first.attempt) == (Status.SUCCEEDED, first.id, 1)
    with pytest.raises(payments.AmountDiffers):
        await transfer(till, payable, 4000)
    with pytest.raises(payments.AlreadyPaid):
        await transfer(till, payable, reference="ST-7/13")
    with pytest.raises(payments.AlreadyPaid):
        await transfer(till, till.payable(amount=Money(0, "EUR")), 10)


async def test_an_open_transfer_is_what_a_transfer_for_its_invoice_pays(till):
    _, payment = await open_by_transfer(till)
    paid = await transfer(till, till.payable(invoice_id=payment.invoice_id))
    assert (paid.id, paid.status) == (payment.id, Status.SUCCEEDED)


async def test_a_transfer_that_is_given_up_is_closed_and_not_recorded(till):
    _, payment = await open_by_transfer(till)
    async with till.tx() as tx:
        await payments.cancel(tx, invoices=[payment.invoice_ref], now=till.now)
    with pytest.raises(Conflict):
        await record(till, payment)
    await till.settle()
    assert (await till.payment(payment)).status is Status.CANCELED
    with pytest.raises(Conflict):
        await record(till, payment)


async def test_no_card_is_saved_for_transfers(till):
    bank = await till.a_manual_account()
    async with till.tx() as tx:
        with pytest.raises(payments.UnknownAccount):
            await payments.add_method(
                tx, customer_id=till.customer.id, token="pm_card_ok", account_id=bank.id, now=till.now
            )


async def test_a_refund_waits_to_be_sent_and_is_booked_when_it_was(till):
    _, payment = await open_by_transfer(till)
    await record(till, payment)
    async with till.tx() as tx:
        refund = await payments.make_refund(
            tx, refund=NewRefund(payment_id=payment.id, reason="Sorry", amount_minor=900), now=till.now
        )
    await till.settle()
    assert (await state(till, refund)).status is RefundStatus.PENDING
    for _ in range(2):
        async with till.tx() as tx:
            sent = await payments.record_returned(
                tx, refund_id=refund.id, receipt=receipt(till, reference="OUT-1", happened_at=till.now), now=till.now
            )
        await till.settle()
    assert (sent.status, sent.provider_ref) == (RefundStatus.SUCCEEDED, "OUT-1")
    assert (await till.heard()).count("payments.refund.succeeded") == 1
    assert [(kind, is_settled) for kind, is_settled, _ in await requests(till)] == [("charge", True), ("refund", True)]
    assert sum(minor for (account, _), minor in (await till.balances()).items() if account.startswith("cash")) == 4000


async def state(till, refund):
    async with till.tx() as tx:
        return await payments.refund(tx, refund_id=refund.id)


async def test_a_providers_refund_is_not_recorded_by_hand(till):
    await till.a_card()
    payment = await till.collect()
    await till.settle()
    async with till.tx() as tx:
        refund = await payments.make_refund(tx, refund=NewRefund(payment_id=payment.id, reason="Sorry"), now=till.now)
        with pytest.raises(Conflict) as refused:
            await payments.record_returned(tx, refund_id=refund.id, receipt=receipt(till), now=till.now)
    assert refused.value.code == "not_by_hand"


async def test_a_transfer_is_not_missed_in_books_that_nobody_keeps(till):
    bank, payment = await open_by_transfer(till)
    await record(till, payment)
    for _ in range(12):
        till.clock.move_by(timedelta(days=1))
        async with till.tx() as tx:
            await gateways.read_books(tx, accounts=[bank], now=till.now)
        await till.settle()
    async with till.tx() as tx:
        assert (await payments.differences(tx, query=PageQuery())).items == []
        assert await payments.settlements(tx, since=till.now - timedelta(days=30), until=till.now) == []
        assert await tx.fetchval("select count(*) from platform.log where name = 'gateways.books.read'") > 0
