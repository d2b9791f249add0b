import asyncio

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import CustomerChanges
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Address, Issuer, Mode
from guilder.domain.invoicing import service as invoicing
from guilder.domain.notifications import handlers
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import About, Channel, Kind, Status
from guilder.domain.notifications.performers import MailSending
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.outside import bulkhead
from guilder.platform.outside import intents as outside
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import heard
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.notifications import a_message, an_open_invoice
from tests.support.database import connected


async def test_a_live_mail_reaches_its_reader_once(make_ground):
    ground = await make_ground(mode=Mode.LIVE)
    message = a_message(ground.customer)
    for _ in range(3):
        await ground.tell(message, message)
    [mail] = ground.inbox.mails
    assert mail["To"].addresses[0].addr_spec == ground.customer.email
    assert mail["From"].addresses[0].display_name == "Northwind"
    assert mail["From"].addresses[0].addr_spec == "billing@guilder.example"
    assert mail["Subject"] == "Northwind refunded €30.00"
    assert mail["Date"].datetime == NOW
    [told] = await ground.told()
    assert (told.status, told.sent_at) == (Status.SENT, NOW)
    assert mail["Message-ID"] == f"<{told.id}@guilder.example>"
    assert told.content.html == mail.get_body(("html",)).get_content().replace("\r\n", "\n").rstrip("\n") or (
        "€30.00" in told.content.html
    )


async def test_nothing_of_a_sandbox_ever_leaves(make_ground):
    ground = await make_ground(mode=Mode.SANDBOX)
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    about = About(invoice_id=invoice.id)
    await ground.tell(
        a_message(ground.customer),
        *[a_message(ground.customer, kind, about=about) for kind in (Kind.APOLOGY, Kind.PAYMENT_REMINDER)],
    )
    told = await ground.told()
    assert len(told) == 5
    assert {each.status for each in told} == {Status.KEPT}
    assert all(each.content.text for each in told)
    assert ground.inbox.mails == []
    assert ground.inbox.greeted == 0, "the server was not even asked"
    assert ground.phones.texts == []


@pytest.mark.parametrize(("mode", "pending"), [(Mode.SANDBOX, 0), (Mode.LIVE, 1)])
async def test_a_sandbox_waits_for_no_server_that_is_down(make_ground, mode, pending):
    ground = await make_ground(mode=mode, port=1)
    await ground.tell(a_message(ground.customer))
    async with ground.tx() as tx:
        assert await outside.pending(tx, ground.tenant_id) == pending


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.TEST])
async def test_without_a_server_messages_are_kept(make_ground, mode):
    ground = await make_ground(mode=mode, has_server=False)
    await ground.tell(a_message(ground.customer))
    [told] = await ground.told()
    assert (told.status, told.content.subject) == (Status.KEPT, "Northwind refunded €30.00")


async def test_an_sms_goes_to_the_phone_where_there_are_words_for_it(ground):
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    said = await ground.tell(a_message(ground.customer, Kind.PAYMENT_REMINDER, about=About(invoice_id=invoice.id)))
    assert said == [("email", "payment_reminder"), ("sms", "payment_reminder")]
    [text] = ground.phones.texts
    assert text.to == "+442079460000"
    assert text.body.startswith("Northwind: €30.00 is still open.")
    assert "https://billing.example.com/checkout/" in text.body
    assert await ground.tell(a_message(ground.customer)) == [("email", "refund_succeeded")]


async def test_who_has_no_phone_gets_no_sms(make_ground):
    ground = await make_ground(phone="")
    said = await ground.tell(a_message(ground.customer, Kind.PAYMENT_ACTION_REQUIRED))
    assert [channel for channel, _ in said] == ["email"]


async def test_the_issuer_is_who_writes_and_who_is_answered(ground):
    async with ground.tx() as tx:
        issuer = (await identity.issuer(tx, tenant_ids=[ground.tenant_id]))[ground.tenant_id]
        changed = Issuer(
            tenant_id=ground.tenant_id,
            id=issuer.id,
            legal_name="Northwind B.V.",
            address=Address(line1="Damrak 1", postal_code="1012 LG", city="Amsterdam", country="NL"),
            email="help@northwind.example",
            sender_name="Northwind",
            sender_email="billing@northwind.example",
        )
        await identity.set_issuer(tx, issuer=changed, now=NOW)
    await ground.tell(a_message(ground.customer))
    [mail] = ground.inbox.mails
    assert mail["From"].addresses[0].addr_spec == "billing@northwind.example"
    assert mail["Reply-To"] == "help@northwind.example"
    assert "Damrak 1, 1012 LG Amsterdam, Netherlands" in mail.get_body(("plain",)).get_content()


async def test_the_reader_is_spoken_to_in_its_language_and_time_zone(make_ground):
    ground = await make_ground(language="de", time_zone="Pacific/Auckland")
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    about = About(invoice_id=invoice.id, at=NOW.replace(hour=23))
    await ground.tell(a_message(ground.customer, Kind.PAYMENT_FAILED, about=about))
    [mail] = ground.inbox.mails
    assert "30,00\xa0€" in mail["Subject"]
    # 23:00 UTC of 1 March is the second of March there.
    assert "02.03.2026" in mail.get_body(("plain",)).get_content()


async def test_a_mail_goes_to_the_address_of_the_moment_it_is_sent(ground):
    async with ground.tx() as tx:
        [made] = await notifications.tell(tx, messages=[a_message(ground.customer)], now=NOW)
        await notifications.dispatch(tx, refs=[made.ref], now=NOW)
    async with ground.tx() as tx:
        await customers.update(
            tx, customer_id=ground.customer.id, changes=CustomerChanges(email="new@lovelace.example"), now=NOW
        )
    await ground.runner.drain()
    [mail] = ground.inbox.mails
    assert mail["To"].addresses[0].addr_spec == "new@lovelace.example"


async def test_a_server_that_is_down_is_tried_again_with_the_same_message(ground):
    ground.inbox.answer = "451 later"
    await ground.tell(a_message(ground.customer))
    [told] = await ground.told()
    assert told.status is Status.PENDING
    ground.inbox.answer = "250 OK"
    async with connected(ground.admin_url) as admin:
        await admin.execute("update platform.intents set due_at = clock_timestamp()")
    await ground.runner.drain()
    [told] = await ground.told()
    assert told.status is Status.SENT
    assert ground.inbox.mails[0]["Message-ID"] == f"<{told.id}@guilder.example>"


async def test_a_sender_that_dies_after_the_server_took_it_sends_the_same_message_and_records_it_once(
    ground, monkeypatch
):
    record = MailSending.record

    async def die(self, tx, done, *, now):
        raise ConnectionResetError("killed between the server's answer and our note of it")

    monkeypatch.setattr(MailSending, "record", die)
    monkeypatch.setattr(bulkhead, "RECORD_TRIES_MAX", 1)  # the dead try nothing again
    await ground.tell(a_message(ground.customer))
    [told] = await ground.told()
    assert (told.status, len(ground.inbox.mails)) == (Status.PENDING, 1)
    monkeypatch.setattr(MailSending, "record", record)
    async with connected(ground.admin_url) as admin:
        await admin.execute("update platform.intents set due_at = clock_timestamp()")
    await ground.runner.drain()
    [told] = await ground.told()
    assert told.status is Status.SENT
    # Nobody can take a mail back; but whoever gets it twice gets one message twice, by its id and date.
    first, again = ground.inbox.mails
    assert [first[name] == again[name] for name in ("Message-ID", "Date", "Subject")] == [True] * 3
    async with ground.tx() as tx:
        assert (await notifications.spent(tx, now=NOW))[Channel.EMAIL].today == 1
    async with connected(ground.admin_url) as admin:
        sent = "select count(*) from platform.log where name = 'notifications.notification.sent'"
        assert await admin.fetchval(sent) == 1


async def test_a_permanent_no_is_final_and_is_said(ground):
    ground.inbox.answer = "554 no such reader"
    await ground.tell(a_message(ground.customer))
    [told] = await ground.told()
    assert (told.status, told.sent_at) == (Status.FAILED, None)
    assert "554" in told.detail
    async with connected(ground.admin_url) as admin:
        names = [row[0] for row in await admin.fetch("select name from platform.log order by id")]
    assert names[-1] == "notifications.notification.failed"


async def test_an_address_that_is_none_fails_that_mail_alone(make_ground):
    ground = await make_ground(email="", phone="")
    await ground.tell(a_message(ground.customer))
    [told] = await ground.told()
    assert told.status is Status.FAILED


async def test_what_is_no_longer_true_is_not_sent(ground):
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
        made = await notifications.tell(
            tx,
            messages=[a_message(ground.customer, Kind.PAYMENT_FAILED, about=About(invoice_id=invoice.id))],
            now=NOW,
        )
        await notifications.dispatch(tx, refs=[each.ref for each in made], now=NOW)
    async with ground.tx() as tx:
        await invoicing.void(tx, refs=[invoice.ref], now=NOW)
    await ground.runner.drain()
    told = await ground.told()
    assert {(each.status, each.detail) for each in told} == {(Status.DROPPED, "the invoice is void by now")}
    assert ground.inbox.mails == []
    assert ground.phones.texts == []


@pytest.mark.shows("I31", "LAW erasure")
async def test_an_erased_customer_leaves_nothing_to_read_and_is_told_nothing_more(ground):
    await ground.tell(a_message(ground.customer))
    async with ground.tx() as tx:
        waiting = await notifications.tell(tx, messages=[a_message(ground.customer)], now=NOW)
        await notifications.dispatch(tx, refs=[each.ref for each in waiting], now=NOW)
    async with ground.tx() as tx:
        await customers.erase(tx, refs=[Ref(ground.tenant_id, ground.customer.id)], now=NOW)
    await ground.runner.drain()
    told = await ground.told()
    assert [(each.status, each.content) for each in told] == [(Status.DROPPED, None), (Status.SENT, None)]
    assert len(ground.inbox.mails) == 1
    assert await ground.tell(a_message(ground.customer)) == []


async def test_destroying_the_key_alone_makes_it_unreadable(ground):
    await ground.tell(a_message(ground.customer))
    async with ground.tx() as tx:
        await tx.vault.destroy(tx, [Ref(ground.tenant_id, ground.customer.id)], now=NOW)
        [told] = (await notifications.listing(tx, query=PageQuery())).items
    assert (told.status, told.content) == (Status.SENT, None)


@pytest.mark.shows("ASVS 14.2.4", "I31")
async def test_no_table_says_in_plain_who_was_told_what(ground):
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    await ground.tell(a_message(ground.customer, Kind.PAYMENT_REMINDER, about=About(invoice_id=invoice.id)))
    async with connected(ground.admin_url) as admin:
        tables = ("notifications.notifications", "platform.intents", "platform.log")
        whole = "".join([await admin.fetchval(f"select jsonb_agg(to_jsonb(t))::text from {each} t") for each in tables])
    # None of these can be read out of hexadecimal digits by chance.
    for secret in ("Ada Lovelace", "lovelace", "20 7946 0000", "2079460000", "checkout"):
        assert secret not in whole


async def test_twenty_who_tell_of_one_cause_at_once_tell_it_once(ground):
    message = a_message(ground.customer)

    async def tell():
        async with ground.tx() as tx:
            return await notifications.tell(tx, messages=[message], now=NOW)

    assert sum(len(made) for made in await asyncio.gather(*[tell() for _ in range(20)])) == 1


async def test_a_request_heard_twice_sends_once(ground):
    async with ground.tx() as tx:
        await notifications.tell(tx, messages=[a_message(ground.customer)], now=NOW)
        [requested] = [heard(each.event) for each in tx.outbox]
    for _ in range(2):
        async with ground.tx() as tx:
            await handlers.on_notification_requested(tx, [requested, requested], now=NOW)
        await ground.runner.drain()
    assert len(ground.inbox.mails) == 1


async def test_messages_are_filtered_by_customer_kind_and_channel(ground):
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    await ground.tell(
        a_message(ground.customer),
        a_message(ground.customer, Kind.PAYMENT_REMINDER, about=About(invoice_id=invoice.id)),
    )
    assert len(await ground.told()) == 3
    assert [each.kind for each in await ground.told(Channel.SMS)] == [Kind.PAYMENT_REMINDER]
    async with ground.tx() as tx:
        query = PageQuery()
        assert (await notifications.listing(tx, query=query, customer_id=ids.new(NOW))).items == []
        [found] = (await notifications.listing(tx, query=query, kind=Kind.REFUND_SUCCEEDED)).items
    assert found.content.recipient == ground.customer.email


async def test_a_batch_of_several_tenants_writes_in_each_ones_name(ground, database):
    other = await new_tenant(database, name="Southwind")
    async with database.transaction([other.tenant_id], actor="test") as tx:
        theirs = await a_customer(tx, email="bob@southwind.example")
    async with database.transaction([ground.tenant_id, other.tenant_id], actor="test") as tx:
        messages = [a_message(each) for each in (ground.customer, theirs)]
        made = await notifications.tell(tx, messages=messages, now=NOW)
        await notifications.dispatch(tx, refs=[each.ref for each in made], now=NOW)
    await ground.runner.drain()
    sent = {mail["To"].addresses[0].addr_spec: mail["From"].addresses[0].display_name for mail in ground.inbox.mails}
    assert sent == {"ada@lovelace.example": "Northwind", "bob@southwind.example": "Southwind"}


@pytest.mark.shows("fault G4")
async def test_mail_of_a_suspended_tenant_waits_and_goes_out_when_it_is_back(make_ground):
    ground = await make_ground(mode=Mode.LIVE)
    async with ground.tx() as tx:
        await identity.suspend_tenant(tx, reason="unpaid", now=NOW)
    await ground.tell(a_message(ground.customer))
    assert ground.inbox.mails == []
    async with ground.tx() as tx:
        await identity.resume_tenant(tx, reason="paid", now=NOW)
    await ground.runner.drain()
    assert len(ground.inbox.mails) == 1
