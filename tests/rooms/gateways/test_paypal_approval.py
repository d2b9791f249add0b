"""At PayPal the customer agrees and we take the money: by its notice at once, else at the next look, and never later."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.adapters.paypal.client import PayPal
from guilder.domain.gateways.adapters.paypal.signature import Certificates
from guilder.domain.gateways.performers import performers
from guilder.domain.identity import service as identity
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Status
from guilder.kernel.ids import Ref
from guilder.platform.clock import WallClock
from guilder.platform.outside.http import OutboundPolicy
from guilder.platform.outside.runner import Runner
from tests.support.fakes.paypal.account import Account
from tests.support.fakes.paypal.server import FakePayPal


@pytest.fixture(scope="module")
def fake() -> Iterator[FakePayPal]:
    fake = FakePayPal()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def merchant(fake) -> Account:
    return fake.account()


@pytest.fixture
async def paypal(fake) -> AsyncIterator[PayPal]:
    policy = OutboundPolicy(allows_loopback=True)
    origins = {"api.sandbox.paypal.com": fake.url}
    certificates = Certificates(policy=policy, origins=origins, roots=[fake.signers.root.certificate])
    gateway = PayPal(base_urls={"sandbox": fake.url}, policy=policy, certificates=certificates)
    yield gateway
    await gateway.close()


@pytest.fixture
async def account(till, paypal, merchant):
    """Have the tenant charge at PayPal by default."""
    named = {till.gateway.name: till.gateway, paypal.name: paypal}
    made = performers(named, public_url="https://pay.example")
    till.runner = Runner(till.database, made, identity.Clocks(till.clock), clock=WallClock())
    settings = {"client_id": merchant.client_id, "environment": "sandbox"}
    async with till.tx() as tx:
        account = await gateways.connect(
            tx,
            gateway="paypal",
            name="PayPal",
            secret_key=merchant.secret,
            settings=settings,
            is_default=True,
            now=till.now,
        )
    await till.settle()
    return account


async def hear(till, paypal, fake, merchant, account) -> None:
    """Take in what PayPal has to tell, as its webhooks bring it."""
    ref = Ref(account.tenant_id, account.id)
    async with till.tx() as tx:
        opened = await gateways.open_endpoint(tx, account=ref, gateway="paypal")
    wall = datetime.now(UTC)
    while merchant.undelivered:
        body = json.dumps(merchant.undelivered.pop(0)).encode()
        headers = fake.sign(body, at=wall, webhook_id=opened.account.settings["webhook_id"])
        notice = await paypal.read_notice(headers, body, secret="", settings=opened.account.settings, now=wall)
        async with till.tx() as tx:
            await gateways.receive_notice(tx, account=opened.account, notice=notice, body=body, now=till.now)
    await till.settle()


async def opened(till):
    payment = await till.open(await till.collect())
    assert (payment.status, payment.action_url != "") == (Status.REQUIRES_ACTION, True)
    return payment


async def test_an_approval_that_is_told_is_taken_at_once(till, paypal, fake, merchant, account):
    payment = await opened(till)
    [order] = merchant.orders
    merchant.approve(order)
    assert merchant.charged() == []
    await hear(till, paypal, fake, merchant, account)
    paid = await till.payment(payment)
    assert (paid.status, paid.provider_ref) == (Status.SUCCEEDED, order)
    await hear(till, paypal, fake, merchant, account)
    assert len(merchant.charged()) == 1


async def test_an_approval_that_is_not_told_is_found_by_looking(till, merchant, account):
    payment = await opened(till)
    [order] = merchant.orders
    merchant.approve(order)
    till.clock.move_to(till.now + timedelta(minutes=11))
    async with till.tx() as tx:
        refs = [Ref(each["tenant_id"], each["id"]) for each in await tx.fetch("select * from gateways.requests")]
        await gateways.look_again(tx, refs=refs, now=till.now)
    await till.settle()
    assert (await till.payment(payment)).status is Status.SUCCEEDED
    assert len(merchant.charged()) == 1


async def test_an_approval_of_what_was_taken_back_takes_nothing(till, paypal, fake, merchant, account):
    payment = await opened(till)
    [order] = merchant.orders
    async with till.tx() as tx:
        ref = Ref(till.tenant.tenant_id, payment.invoice_id)
        await payments.cancel(tx, invoices=[ref], now=till.now)
    # The notice is faster than the cancellation's call: it is refused by what is written, not by luck.
    merchant.approve(order)
    await hear(till, paypal, fake, merchant, account)
    assert (await till.payment(payment)).status is Status.CANCELED
    assert merchant.orders[order]["intent"] == "AUTHORIZE"
    assert merchant.charged() == []
