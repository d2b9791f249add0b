"""What customers may switch off, what they may not, and the link that does it."""

import asyncio

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Issuer
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.model import About, Channel, Group, Kind, OwnWords, Preferences, Status
from guilder.domain.notifications.rules.links import Unsubscribing
from tests.rooms.notifications.conftest import PUBLIC_URL
from tests.support.builders.identity import NOW
from tests.support.builders.notifications import a_message, an_open_invoice

EXPIRING = About(brand="visa", last4="4242", expires="2026-03")


async def wishes(ground, **over):
    async with ground.tx() as tx:
        wished = Preferences(tenant_id=ground.tenant_id, customer_id=ground.customer.id, **over)
        await notifications.set_preferences(tx, wishes=wished, now=NOW)


async def outcomes(ground):
    return {(each.kind, each.channel): (each.status, each.detail) for each in await ground.told()}


async def test_what_is_switched_off_is_dropped_and_says_why(ground):
    await wishes(ground, wants_reminders=False)
    await ground.tell(a_message(ground.customer, Kind.CARD_EXPIRING, about=EXPIRING))
    assert await outcomes(ground) == {
        (Kind.CARD_EXPIRING, Channel.EMAIL): (Status.DROPPED, "the customer wants no reminders")
    }
    assert ground.inbox.mails == []


async def test_what_concerns_money_cannot_be_switched_off_but_its_texts_can(ground):
    await wishes(ground, wants_reminders=False, wants_renewal_notices=False, wants_usage_alerts=False, wants_sms=False)
    async with ground.tx() as tx:
        invoice = await an_open_invoice(tx, ground.customer)
    await ground.tell(a_message(ground.customer, Kind.PAYMENT_REMINDER, about=About(invoice_id=invoice.id)))
    assert await outcomes(ground) == {
        (Kind.PAYMENT_REMINDER, Channel.EMAIL): (Status.SENT, ""),
        (Kind.PAYMENT_REMINDER, Channel.SMS): (Status.DROPPED, "the customer wants no texts"),
    }


async def test_only_what_is_optional_carries_the_link_that_ends_it(ground):
    await ground.tell(a_message(ground.customer), a_message(ground.customer, Kind.CARD_EXPIRING, about=EXPIRING))
    required, optional = sorted(ground.inbox.mails, key=lambda mail: "expires" in mail["Subject"])
    assert required["List-Unsubscribe"] is None
    assert "/unsubscribe/" not in required.get_body(("html",)).get_content()
    url = optional["List-Unsubscribe"].strip("<>")
    assert optional["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url.startswith(f"{PUBLIC_URL}/unsubscribe/")
    assert url in optional.get_body(("html",)).get_content()
    assert url in optional.get_body(("plain",)).get_content().replace("\n", "")
    async with ground.tx() as tx:
        link = notifications.read_unsubscribe_link(tx.vault, token=url.rpartition("/")[2])
        after = await notifications.unsubscribe(tx, link=link, now=NOW)
    assert (after.wants_reminders, after.wants_renewal_notices, after.wants_usage_alerts, after.wants_sms) == (
        False,
        True,
        True,
        True,
    )


async def test_two_groups_that_are_switched_off_at_one_time_are_both_off(ground):
    async def unsubscribe(group):
        async with ground.tx() as tx:
            link = Unsubscribing(ground.tenant_id, ground.customer.id, group)
            await notifications.unsubscribe(tx, link=link, now=NOW)
            await asyncio.sleep(0.3)

    await asyncio.gather(unsubscribe(Group.REMINDERS), unsubscribe(Group.USAGE_ALERTS))
    async with ground.tx() as tx:
        after = await notifications.preferences(tx, customer_id=ground.customer.id)
    assert (after.wants_reminders, after.wants_usage_alerts) == (False, False)


@pytest.mark.parametrize(("email", "status"), [("help@northwind.example", Status.SENT), ("", Status.DROPPED)])
async def test_a_dispute_is_told_to_the_staff_and_never_to_the_customer(ground, email, status):
    async with ground.tx() as tx:
        issuer = (await identity.issuer(tx, tenant_ids=[ground.tenant_id]))[ground.tenant_id]
        changed = Issuer(
            tenant_id=ground.tenant_id, id=issuer.id, legal_name="Northwind B.V.", address=issuer.address, email=email
        )
        await identity.set_issuer(tx, issuer=changed, now=NOW)
    await wishes(ground, wants_sms=False)
    await ground.tell(a_message(ground.customer, Kind.DISPUTE_OPENED))
    [told] = await ground.told()
    assert told.status is status
    assert [mail["To"].addresses[0].addr_spec for mail in ground.inbox.mails] == ([email] if email else [])


@pytest.mark.parametrize(
    ("language", "subject"),
    [("sv-SE", "Pengar"), ("pt-BR", "Dinheiro"), ("nb", "Money"), ("en-GB", "Money"), ("de", "Northwind hat")],
)
async def test_own_words_are_said_in_any_language_that_they_are_in(make_ground, language, subject):
    ground = await make_ground(language=language)
    async with ground.tx() as tx:
        for spoken, said in (("sv", "Pengar"), ("pt", "Dinheiro"), ("en", "Money")):
            own = OwnWords(
                tenant_id=ground.tenant_id,
                kind=Kind.REFUND_SUCCEEDED,
                language=spoken,
                subject=said,
                body="{{ amount }}",
            )
            await notifications.set_words(tx, own=own, now=NOW)
    await ground.tell(a_message(ground.customer))
    assert [mail["Subject"].startswith(subject) for mail in ground.inbox.mails] == [True], ground.inbox.mails[0][
        "Subject"
    ]


async def test_a_tenants_own_words_are_said_and_escaped(ground):
    own = OwnWords(
        tenant_id=ground.tenant_id,
        kind=Kind.REFUND_SUCCEEDED,
        language="en",
        subject="{{ amount }} back to you",
        body="Dear {{ customer_name }} <b>friend</b>,\n\n{% if method %}To {{ method }}.{% else %}On its way.{% endif %}",
    )
    async with ground.tx() as tx:
        await notifications.set_words(tx, own=own, now=NOW)
    await ground.tell(a_message(ground.customer))
    [mail] = ground.inbox.mails
    assert mail["Subject"] == "€30.00 back to you"
    html = mail.get_body(("html",)).get_content()
    assert "Dear Ada Lovelace &lt;b&gt;friend&lt;/b&gt;," in html
    assert "On its way." in mail.get_body(("plain",)).get_content()
    async with ground.tx() as tx:
        await notifications.drop_words(tx, kind=Kind.REFUND_SUCCEEDED, language="en")
    await ground.tell(a_message(ground.customer))
    assert ground.inbox.mails[1]["Subject"] == "Northwind refunded €30.00"
