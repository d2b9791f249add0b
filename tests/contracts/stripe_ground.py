"""Stripe's adapter as tests use it: the real SDK over real HTTP, to a Stripe of our own."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime

import pytest

from guilder.domain.gateways.adapters.stripe.client import Stripe
from guilder.domain.gateways.model import GatewayRequest
from guilder.domain.gateways.port import Credentials
from guilder.kernel.currency import exponent
from guilder.kernel.money import Money
from tests.contracts.gateway_contract import HANGS_S, GatewayGround
from tests.support.fakes.stripe.hooks import sign
from tests.support.fakes.stripe.server import FakeStripe, Merchant

SECRET = "whsec_of_this_endpoint"


class StripeGround(GatewayGround):
    name = "stripe"
    good_card = "pm_card_visa"
    declined_card = "pm_card_visa_chargeDeclinedInsufficientFunds"
    hard_card = "pm_card_visa_chargeDeclinedLostCard"
    hard_card_not_saved = "pm_card_visa_chargeDeclinedStolenCard"
    wrong_credentials = Credentials(secret_key="sk_test_wrong_1234567890")
    has_disputes = True
    tells_of_methods = True
    chargeable = (
        Money(4901, "EUR"),
        Money(12345, "JPY"),
        Money(12340, "KWD"),
        Money(7, "ISK"),
        Money(3, "UGX"),
        Money(12345, "HUF"),
        Money(12345, "TWD"),
        Money(500, "MGA"),
    )
    not_chargeable = (Money(12345, "KWD"), Money(501, "MGA"), Money(1000, "IQD"), Money(1000, "LYD"))

    @pytest.fixture(scope="class")
    @classmethod
    def fake(cls) -> Iterator[FakeStripe]:
        with FakeStripe() as fake:
            yield fake

    @pytest.fixture
    def merchant(self, fake) -> Merchant:
        return fake.merchant()

    @pytest.fixture
    async def gateway(self, fake, patience_s) -> AsyncIterator[Stripe]:
        gateway = Stripe(base_url=fake.url, timeout_s=patience_s)
        yield gateway
        await gateway.close()

    @pytest.fixture
    def credentials(self, merchant) -> Credentials:
        return Credentials(secret_key=merchant.secret_key)

    def break_answer(self, merchant: Merchant, *, op: str, mode: str) -> None:
        if mode == "busy":
            merchant.fault("status", op, status=429, retry_after=7)
        else:
            merchant.fault(mode, op, seconds=HANGS_S)

    def charged(self, merchant: Merchant) -> list[Money]:
        found = []
        for each in merchant.charges():
            currency = each["currency"].upper()
            minor = each["worth"].scaleb(exponent(currency))
            assert minor == int(minor), each
            found.append(Money(int(minor), currency))
        return found

    def notice_keys(self, merchant: Merchant) -> tuple[str, Mapping[str, str]]:
        return SECRET, {}

    def signed(self, merchant: Merchant, body: bytes, *, at: datetime) -> dict[str, str]:
        return {"stripe-signature": sign(body, at=int(at.timestamp()), keys=[SECRET])}

    def forged(self, merchant: Merchant, body: bytes, *, at: datetime) -> list[dict[str, str]]:
        seconds = int(at.timestamp())
        right = sign(body, at=seconds, keys=[SECRET])
        headers = [
            sign(body, at=seconds, keys=["whsec_of_another"]),
            right.replace("v1=", "v0="),
            right.replace(f"t={seconds}", f"t={seconds + 1}"),
            right + f",t={seconds}",
            sign(body, at=seconds, keys=["x"] * 6 + [SECRET]),
            "t=abc,v1=0",
            f"t={seconds}",
            f"t={seconds},v1=",
            f"t=-{seconds},v1=0",
            "nonsense",
            "",
            "t" * 10**6,
        ]
        return [{}, *({"stripe-signature": each} for each in headers)]

    async def notice_of_payment(self, merchant: Merchant, paid: GatewayRequest) -> bytes:
        return merchant.body("payment_intent.succeeded", paid.provider_ref)

    async def notice_of_dispute(self, merchant: Merchant, paid: GatewayRequest) -> bytes:
        return merchant.body("charge.dispute.funds_withdrawn", merchant.dispute(paid.provider_ref))

    async def notice_of_renewal(self, merchant: Merchant, token: str) -> bytes:
        merchant.renew(token, exp_month=3, exp_year=2041)
        return merchant.body("payment_method.automatically_updated", token.rpartition("/")[2])

    async def notice_of_detaching(self, merchant: Merchant, token: str) -> bytes:
        merchant.detach(token)
        return merchant.body("payment_method.detached", token.rpartition("/")[2])

    def strange_notice(self, merchant: Merchant) -> bytes:
        return b'{"id": "evt_9", "type": "planet.discovered", "data": {"object": {"moons": [1, {}]}}, "new": null}'
