"""An address that takes nothing is written to no more, until it changes or somebody clears it."""

import pytest

from guilder.domain.customers import service as customers
from guilder.domain.customers.model import CustomerChanges
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import About, BounceKind, Channel, EndpointKind, Kind, Report, Status
from guilder.platform.outside.sms import NumberRefused
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import a_message, an_open_invoice
from tests.support.database import connected


async def statuses(ground):
    return [each.status for each in reversed(await ground.told())]


async def announced(ground):
    async with connected(ground.admin_url) as admin:
        return await admin.fetchval(
            "select count(*) from platform.log where name = 'notifications.notification.bounced'"
        )


@pytest.fixture
async def refused(ground):
    """A customer whose mail server has said that there is no such mailbox."""
    ground.inbox.refuses = "550 5.1.1 no such user"
    await ground.tell(a_message(ground.customer))
    ground.inbox.refuses = ""
    return ground


async def test_a_mailbox_that_does_not_exist_is_held_back(refused):
    await refused.tell(a_message(refused.customer))
    assert await statuses(refused) == [Status.FAILED, Status.DROPPED]
    assert (await refused.told())[0].detail.startswith("held back: the address takes nothing since 2026-03-01")
    assert refused.inbox.mails == []
    assert await announced(refused) == 1


async def test_another_address_is_written_to_again(refused):
    async with refused.tx() as tx:
        changes = CustomerChanges(email="new@lovelace.example")
        reader = await customers.update(tx, customer_id=refused.customer.id, changes=changes, now=NOW)
        assert await notifications.bounces_of(tx, reader=reader) == {}
    await refused.tell(a_message(refused.customer))
    assert await statuses(refused) == [Status.FAILED, Status.SENT]


async def test_staff_may_clear_it(refused):
    async with refused.tx() as tx:
        assert list(await notifications.bounces_of(tx, reader=refused.customer)) == [Channel.EMAIL]
        await notifications.clear_bounce(tx, customer_id=refused.customer.id, channel=Channel.EMAIL, now=NOW)
    await refused.tell(a_message(refused.customer))
    assert await statuses(refused) == [Status.FAILED, Status.SENT]


@pytest.mark.parametrize("answer", ["550 5.7.1 blocked by policy", "451 4.2.2 full"])
async def test_what_is_not_about_the_address_is_not_held_against_it(ground, answer):
    ground.inbox.refuses = answer
    await ground.tell(a_message(ground.customer))
    ground.inbox.refuses = ""
    await ground.tell(a_message(ground.customer))
    assert len(ground.inbox.mails) == 1
    assert await announced(ground) == 0


@pytest.mark.parametrize("kind", BounceKind)
async def test_a_providers_report_is_known_by_the_message_id(ground, kind):
    await ground.tell(a_message(ground.customer))
    said = Report(
        kind=kind, recipient="", message_id=ground.inbox.mails[0]["Message-ID"], reason="gone: ada@lovelace.example"
    )
    for _ in range(2):
        async with ground.tx() as tx:
            assert await notifications.reported_by_mail(tx, report=said, now=NOW) == 1
    [told] = await ground.told()
    assert (told.status, told.bounced_at) == (Status.SENT, NOW)
    async with ground.tx() as tx:
        [bounce] = (await notifications.bounces_of(tx, reader=ground.customer)).values()
    assert (bounce.kind, bounce.reason) == (kind, "gone: …")
    assert await announced(ground) == 1
    await ground.tell(a_message(ground.customer))
    assert len(ground.inbox.mails) == 1


async def test_a_report_of_the_address_alone_finds_who_has_it(ground):
    report = Report(kind=BounceKind.BOUNCE, recipient=ground.customer.email.upper())
    async with ground.tx() as tx:
        assert await notifications.reported_by_mail(tx, report=report, now=NOW) == 1
        assert (
            await notifications.reported_by_mail(
                tx, report=Report(kind=BounceKind.BOUNCE, recipient="bob@nowhere.example"), now=NOW
            )
            == 0
        )
    await ground.tell(a_message(ground.customer))
    assert ground.inbox.mails == []


async def a_text(ground):
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    await ground.tell(a_message(ground.customer, Kind.PAYMENT_REMINDER, about=About(invoice_id=invoice.id)))
    return (await ground.told(Channel.SMS))[0]


@pytest.mark.parametrize(
    ("status", "code", "bounced", "held"),
    [
        ("delivered", "", False, False),
        ("undelivered", "30003", True, False),
        ("undelivered", "30005", True, True),
        ("failed", "21610", True, True),
    ],
)
async def test_a_text_that_did_not_arrive_is_noted(ground, status, code, bounced, held):
    sent = await a_text(ground)
    form = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code}
    async with ground.tx() as tx:
        await notifications.reported_by_twilio(tx, form=form, now=NOW)
        await notifications.reported_by_twilio(tx, form={**form, "MessageSid": "SM9"}, now=NOW)
    assert sent.provider_ref == "SM1"
    after = await a_text(ground)
    first = (await ground.told(Channel.SMS))[1]
    assert (first.bounced_at is not None) == bounced
    assert after.status is (Status.DROPPED if held else Status.SENT)


async def test_a_number_that_is_refused_is_held_back_and_mail_goes_on(ground, monkeypatch):
    async def refuse(sms):
        raise NumberRefused("Twilio answered 400, code 21610")

    monkeypatch.setattr(ground.phones, "send", refuse)
    assert (await a_text(ground)).status is Status.FAILED
    assert (await a_text(ground)).status is Status.DROPPED
    assert len(ground.inbox.mails) == 2


async def test_texts_say_where_to_report_to_once_there_is_such_an_address(ground):
    await a_text(ground)
    async with ground.tx() as tx:
        made = await notifications.make_endpoint(tx, kind=EndpointKind.TWILIO, secret="token", now=NOW)
    await a_text(ground)
    assert [text.report_url for text in ground.phones.texts] == [
        "",
        f"https://billing.example.com/api/webhooks/twilio/{made.id}",
    ]
