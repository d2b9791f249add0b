from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller

from guilder.domain.customers.model import Customer
from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode
from guilder.domain.notifications import handlers
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.events import NotificationRequested
from guilder.domain.notifications.performers import MailSending, SmsSending
from guilder.kernel.page import PageQuery
from guilder.platform.clock import HandClock, WallClock
from guilder.platform.db.database import Database
from guilder.platform.outside.files import Files, open_files
from guilder.platform.outside.mail import Mailbox, SmtpMailer, server_from
from guilder.platform.outside.runner import Runner
from tests.support.builders.customers import a_customer
from tests.support.builders.entitlements import heard
from tests.support.builders.identity import NOW, new_tenant
from tests.support.ports import free_port

PUBLIC_URL = "https://billing.example.com"


class Inbox:
    """A real SMTP server's, which answers as it is told to."""

    def __init__(self) -> None:
        self.mails = []
        self.answer = "250 OK"
        self.refuses = ""  # what it says to every recipient
        self.greeted = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802  (as below)
        self.greeted += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  (as below)
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  (aiosmtpd calls it so)
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))
        return self.answer


@dataclass
class Phones:
    """A texter that keeps what it is handed."""

    texts: list = field(default_factory=list)

    async def send(self, sms):
        self.texts.append(sms)
        return f"SM{len(self.texts)}"


@dataclass
class Ground:
    """One tenant, one customer with a phone, a mail server and a texter."""

    database: Database
    tenant_id: object
    customer: Customer
    runner: Runner
    inbox: Inbox
    phones: Phones
    admin_url: str
    files: Files

    def tx(self):
        return self.database.transaction([self.tenant_id], actor="test")

    async def hear(self, handler, *messages, now=NOW):
        """Tell a handler; then do all that it announced and intended, as the workers would."""
        async with self.tx() as tx:
            await handler(tx, list(messages), now=now)
            said = [each.event for each in tx.outbox if isinstance(each.event, NotificationRequested)]
        async with self.tx() as tx:
            await handlers.on_notification_requested(tx, [heard(each) for each in said], now=now)
        await self.runner.drain()
        return [(each.channel, each.kind) for each in said]

    async def receipts_go(self, *invoices, now=NOW):
        """Have what waits for the documents of these invoices sent, with what lies there."""
        async with self.tx() as tx:
            await notifications.release(tx, invoices=[each.ref for each in invoices], now=now)
        await self.runner.drain()

    async def tell(self, *messages, now=NOW):
        async def handler(tx, given, *, now):
            await notifications.tell(tx, messages=given, now=now)

        return await self.hear(handler, *messages, now=now)

    async def told(self, channel=None):
        async with self.tx() as tx:
            return list((await notifications.listing(tx, query=PageQuery(), channel=channel)).items)


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def smtp(inbox):
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def make_ground(database, database_urls, inbox, smtp):
    async def make(*, mode=Mode.TEST, has_server=True, port=smtp.port, **about):
        tenant = await new_tenant(database, mode=mode, name="Northwind", time_zone="Europe/Amsterdam")
        async with database.transaction([tenant.tenant_id], actor="test") as tx:
            details = {"organization_id": "org_1", "time_zone": "Europe/Amsterdam", **about}
            customer = await a_customer(tx, **details)
        mailer = SmtpMailer(server_from(f"smtp://127.0.0.1:{port}?starttls=never"), timeout_s=3)
        phones, files = Phones(), open_files("memory://")
        performers = [
            MailSending(
                mailer=mailer if has_server else None,
                sender=Mailbox("billing@guilder.example", "Guilder"),
                public_url=PUBLIC_URL,
                files=files,
            ),
            SmsSending(texter=phones if has_server else None, sender="Guilder", public_url=PUBLIC_URL),
        ]
        runner = Runner(database, performers, identity.Clocks(HandClock(NOW)), clock=WallClock())
        return Ground(database, tenant.tenant_id, customer, runner, inbox, phones, database_urls.admin, files)

    return make


@pytest.fixture
async def ground(make_ground):
    return await make_ground()
