from collections.abc import AsyncIterator

import pytest

from guilder.domain.identity import service as identity
from guilder.domain.notifications import service as notifications
from guilder.domain.notifications.performers import MailSending, SmsSending
from guilder.domain.notifications.routes import pages, router, webhooks
from guilder.entrypoints.mailbox import router as mailbox_router
from guilder.platform.clock import WallClock
from guilder.platform.outside.mail import Mailbox
from guilder.platform.outside.runner import Runner
from tests.support.builders.identity import NOW
from tests.support.ground import database_with_vault
from tests.support.served import Served, served

PUBLIC_URL = "https://billing.example.com"


@pytest.fixture
async def house(database_urls, clean) -> AsyncIterator[Served]:
    routers = [webhooks, router, pages, mailbox_router(is_production=False)]
    async with database_with_vault(database_urls) as database, served(database, routers) as house:
        yield house


@pytest.fixture
def tell(house):
    """Tell customers, and do what the workers would: keep it, since there is no server."""
    performers = [
        MailSending(mailer=None, sender=Mailbox("billing@guilder.example"), public_url=PUBLIC_URL),
        SmsSending(texter=None, sender="Guilder", public_url=PUBLIC_URL),
    ]
    runner = Runner(house.database, performers, identity.Clocks(house.clock), clock=WallClock())

    async def tell(*messages):
        async with house.database.transaction([messages[0].tenant_id], actor="test") as tx:
            made = await notifications.tell(tx, messages=messages, now=NOW)
            await notifications.dispatch(tx, refs=[each.ref for each in made], now=NOW)
        await runner.drain()
        return made

    return tell
