"""What was given up, and is called for again: mended, it is replayed, as the runbook of mails that fail has it."""

from guilder.domain.notifications.model import About, Channel, Kind, Status
from guilder.domain.notifications.performers.sending import MAIL_LIMITS
from guilder.kernel.ids import Ref
from guilder.kernel.page import PageQuery
from guilder.platform.outside import intents as outside
from guilder.platform.outside.sms import SmsUnavailable
from tests.support.builders.notifications import a_message, an_open_invoice
from tests.support.database import connected


async def given_up(ground, *messages):
    """Tell these, and try them for the last time, in vain."""
    await ground.tell(*messages)
    async with connected(ground.admin_url) as admin:
        last = MAIL_LIMITS.attempts_max - 1
        await admin.execute("update platform.intents set due_at = clock_timestamp(), attempts = $1", last)
        await ground.runner.drain()
        assert await admin.fetchval("select count(*) from platform.intents where state <> 'dead'") == 0
    assert {each.status for each in await ground.told()} == {Status.FAILED}


async def replayed(ground):
    """Have everything called that was given up; return how many calls that were."""
    async with ground.tx() as tx:
        dead = (await outside.dead(tx, page=PageQuery())).items
        count = await outside.replay(tx, refs=[Ref(each.tenant_id, each.id) for each in dead])
    await ground.runner.drain()
    return count


async def test_a_mail_that_was_given_up_is_sent_once_when_it_is_replayed(ground):
    ground.inbox.answer = "451 later"
    await given_up(ground, a_message(ground.customer))
    ground.inbox.answer = "250 OK"
    assert [await replayed(ground) for _ in range(2)] == [1, 0]
    [told] = await ground.told()
    assert (told.status, told.detail) == (Status.SENT, "")
    assert len(ground.inbox.mails) == 1


async def test_a_text_that_was_given_up_is_sent_when_it_is_replayed(ground, monkeypatch):
    async with ground.tx() as tx:
        about = About(invoice_id=(await an_open_invoice(tx, ground.customer)).id)
    send = type(ground.phones).send

    async def away(self, sms):
        raise SmsUnavailable("away")

    monkeypatch.setattr(type(ground.phones), "send", away)
    ground.inbox.answer = "451 later"
    await given_up(ground, a_message(ground.customer, Kind.PAYMENT_REMINDER, about=about))
    monkeypatch.setattr(type(ground.phones), "send", send)
    ground.inbox.answer = "250 OK"
    assert await replayed(ground) == 2
    assert {(each.channel, each.status) for each in await ground.told()} == {
        (Channel.EMAIL, Status.SENT),
        (Channel.SMS, Status.SENT),
    }
    assert len(ground.phones.texts) == 1


async def test_what_the_server_refused_for_good_is_not_there_to_be_replayed(ground):
    ground.inbox.answer = "554 no such reader"
    await ground.tell(a_message(ground.customer))
    ground.inbox.answer = "250 OK"
    assert await replayed(ground) == 0
    assert [each.status for each in await ground.told()] == [Status.FAILED]
