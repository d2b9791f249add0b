"""PayPal against the contract: a fake of its own in PayPal's wire form, that takes only what PayPal publishes."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from guilder.domain.gateways.adapters.paypal.client import PayPal
from guilder.domain.gateways.adapters.paypal.signature import Certificates
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.gateways.port import BadNotice, Credentials
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.outside.http import OutboundPolicy
from tests.contracts.gateway_contract import HANGS_S, GatewayContract, GatewayGround
from tests.contracts.protocol_contract import ProtocolContract
from tests.support.fakes.paypal.account import Account, Fault
from tests.support.fakes.paypal.server import FakePayPal

WEBHOOK = "8PT597110X687430LKGECATA"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakePayPal]:
    fake = FakePayPal()
    fake.start()
    yield fake
    fake.stop()


class PayPalGround(GatewayGround):
    """How PayPal is reached and broken; of the contract's own, what PayPal cannot do."""

    name = "paypal"
    good_card = "card/card-ok"
    declined_card = "card/card-insufficient"
    hard_card = "card/card-lost"
    hard_card_not_saved = "card/nobody-knows-it"
    wrong_credentials = Credentials(
        secret_key="of-nobody-1234567", settings={"client_id": "nobody", "environment": "sandbox"}
    )
    finds_by_key = False  # orders cannot be searched; see PayPal.lookup for why that is safe
    has_disputes = True
    chargeable = (Money(4901, "EUR"), Money(12345, "JPY"), Money(490000, "HUF"), Money(100, "TWD"), Money(1, "USD"))
    not_chargeable = (Money(490050, "HUF"), Money(1, "TWD"), Money(12345, "KWD"), Money(100, "UGX"))

    @pytest.fixture
    def merchant(self, fake) -> Account:
        return fake.account()

    @pytest.fixture
    async def gateway(self, fake, patience_s) -> AsyncIterator[PayPal]:
        self.fake = fake
        policy = OutboundPolicy(allows_loopback=True)
        certificates = Certificates(
            policy=policy, origins={"api.sandbox.paypal.com": fake.url}, roots=[fake.signers.root.certificate]
        )
        gateway = PayPal(
            base_urls={"sandbox": fake.url, "live": "http://127.0.0.1:9"},
            policy=policy,
            timeout_s=patience_s,
            certificates=certificates,
        )
        yield gateway
        await gateway.close()

    @pytest.fixture
    def credentials(self, merchant) -> Credentials:
        settings = {"client_id": merchant.client_id, "environment": "sandbox", "webhook_id": WEBHOOK}
        return Credentials(secret_key=merchant.secret, settings=settings)

    def break_answer(self, merchant: Account, *, op: str, mode: str) -> None:
        merchant.faults.append(Fault(op, mode, seconds=HANGS_S))

    def charged(self, merchant: Account) -> list[Money]:
        digits = {"JPY": 0, "HUF": 2, "TWD": 2}
        return [
            Money(int(value.replace(".", "")) * (100 if digits.get(code) == 2 else 1), code)
            for value, code in merchant.charged()
        ]

    def notice_keys(self, merchant: Account) -> tuple[str, Mapping[str, str]]:
        return "", {"client_id": merchant.client_id, "environment": "sandbox", "webhook_id": WEBHOOK}

    def signed(self, merchant: Account, body: bytes, *, at: datetime) -> dict[str, str]:
        return self.fake.sign(body, at=at, webhook_id=WEBHOOK)

    def forged(self, merchant: Account, body: bytes, *, at: datetime) -> list[dict[str, str]]:
        right = self.signed(merchant, body, at=at)
        signature = right["paypal-transmission-sig"]

        def but(**over: str) -> dict[str, str]:
            return right | {f"paypal-{name.replace('_', '-')}": value for name, value in over.items()}

        return [
            {},
            self.fake.sign(body, at=at, webhook_id="1AB23456CD789012E"),
            but(transmission_sig=""),
            but(transmission_sig="not base64"),
            but(transmission_sig=signature[:-8] + "AAAAAAA="),
            but(transmission_sig="A" * 10**6),
            but(transmission_id="another"),
            but(transmission_id="1|2"),
            but(transmission_time="yesterday"),
            but(transmission_time="2026-13-45T99:99:99Z"),
            but(auth_algo="SHA1withRSA"),
            but(auth_algo="none"),
            *({name: value for name, value in right.items() if name != left} for left in right),
        ]

    async def notice_of_payment(self, merchant: Account, paid: GatewayRequest) -> bytes:
        told = [each for each in merchant.events if each["event_type"] == "PAYMENT.CAPTURE.COMPLETED"]
        [event] = [
            each
            for each in told
            if each["resource"]["supplementary_data"]["related_ids"]["order_id"] == paid.provider_ref
        ]
        return json.dumps(event).encode()

    async def notice_of_dispute(self, merchant: Account, paid: GatewayRequest) -> bytes:
        [capture] = merchant.captures()
        return json.dumps(merchant.open_dispute(capture["id"])).encode()

    def strange_notice(self, merchant: Account) -> bytes:
        return b'{"id": "WH-9", "event_type": "PLANET.MOON.DISCOVERED", "resource": {"moons": [1, {}]}, "new": null}'


class TestPayPal(PayPalGround, GatewayContract, ProtocolContract):
    async def test_a_notice_is_of_now_or_refused(self, gateway, credentials, merchant):
        """PayPal sends for three days what was not taken, with the first sending's time: older is refused."""
        body, wall = self.strange_notice(merchant), datetime.now(UTC)
        headers = self.signed(merchant, body, at=wall)
        for shift in (timedelta(days=3), timedelta(seconds=-290)):
            assert await self.read(gateway, merchant, body, headers, now=wall + shift)
        for shift in (timedelta(days=3, seconds=302), timedelta(seconds=-302)):
            with pytest.raises(BadNotice):
                await self.read(gateway, merchant, body, headers, now=wall + shift)

    async def test_a_wallet_is_charged_and_shown_by_a_mask(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, method_token="paypal/wallet-ok")
        outcome = await gateway.confirm(credentials, request, key="c")
        assert outcome.kind is OutcomeKind.SUCCEEDED
        assert (outcome.card.kind, outcome.card.label, outcome.card.last4) == ("paypal", "j•••@example.com", "")

    async def test_a_wallet_that_is_refused_leaves_an_order_to_be_closed(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, method_token="paypal/wallet-declined")
        outcome = await gateway.confirm(credentials, request, key="c")
        assert (outcome.kind, outcome.decline_code) == (OutcomeKind.DECLINED, "instrument_declined")
        assert (outcome.is_hard_decline, outcome.provider_ref) == (False, request.provider_ref)
        assert (await gateway.cancel(credentials, request, key="x")).kind is OutcomeKind.CANCELED

    async def test_a_payer_who_would_have_to_be_asked_is_not_there(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, method_token="paypal/wallet-absent")
        outcome = await gateway.confirm(credentials, request, key="c")
        assert (outcome.kind, outcome.is_approved) == (OutcomeKind.REQUIRES_ACTION, False)

    async def test_a_saved_method_that_is_gone_is_no_use_any_more(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, method_token="card/gone")
        outcome = await gateway.confirm(credentials, request, key="c")
        assert (outcome.kind, outcome.is_hard_decline) == (OutcomeKind.DECLINED, True)

    async def test_what_is_under_review_is_pending_until_it_is_decided(self, gateway, credentials, merchant):
        for fate, kind in (("COMPLETED", OutcomeKind.SUCCEEDED), ("DECLINED", OutcomeKind.DECLINED)):
            request = await self.prepared(gateway, credentials, method_token="paypal/wallet-review")
            outcome = await gateway.confirm(credentials, request, key=f"c{fate}")
            assert (outcome.kind, outcome.is_pending, outcome.is_outage) == (OutcomeKind.UNKNOWN, True, False)
            assert (await gateway.cancel(credentials, request, key="x")).is_pending
            merchant.decide(outcome.charge_ref, fate)
            assert (await gateway.lookup(credentials, request)).kind is kind

    async def test_an_attempt_is_paid_from_one_order_only(self, gateway, credentials, merchant):
        """Two orders of one attempt, as if the first were forgotten: PayPal's own protection refuses the second."""
        first = await self.paid(gateway, credentials)
        merchant.forget_keys()
        second = await gateway.prepare(credentials, replace(first, provider_ref=""), key=first.business_key)
        assert second.provider_ref != first.provider_ref
        outcome = await gateway.confirm(credentials, replace(first, provider_ref=second.provider_ref), key="c2")
        assert (outcome.kind, outcome.alert) == (OutcomeKind.UNKNOWN, "duplicate_invoice_id")
        assert self.charged(merchant) == [Money(4900, "EUR")]

    async def test_an_order_that_lapsed_has_a_successor(self, gateway, credentials, merchant):
        lapsed = await self.prepared(gateway, credentials)
        merchant.lapse(lapsed.provider_ref)
        gone = await gateway.confirm(credentials, lapsed, key="c")
        assert (gone.kind, gone.is_outage) == (OutcomeKind.UNKNOWN, False)
        assert await gateway.lookup(credentials, lapsed) is None
        again = [await gateway.prepare(credentials, lapsed, key=lapsed.business_key) for _ in range(2)]
        assert {each.kind for each in again} == {OutcomeKind.REQUIRES_ACTION}
        assert len({lapsed.provider_ref, *(each.provider_ref for each in again)}) == 2
        assert (await gateway.cancel(credentials, lapsed, key="x")).kind is OutcomeKind.CANCELED

    async def test_what_cannot_be_closed_is_not_called_closed(self, gateway, credentials, merchant):
        merchant.allows_authorize = False
        request = await self.prepared(gateway, credentials)
        assert (await gateway.cancel(credentials, request, key="x")).kind is OutcomeKind.UNKNOWN

    async def test_what_the_customer_approved_is_taken_and_saved(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, is_on_session=True, method_token="", payer_ref="customer_1")
        page = await gateway.open_page(credentials, request, key="p")
        assert urlsplit(page.action_url).path == "/checkoutnow"
        early = await gateway.confirm(credentials, request, key="early")
        assert (early.kind, early.is_approved) == (OutcomeKind.REQUIRES_ACTION, False)
        merchant.approve(request.provider_ref)
        found = await gateway.lookup(credentials, request)
        assert (found.kind, found.is_approved) == (OutcomeKind.REQUIRES_ACTION, True)
        assert self.charged(merchant) == []
        outcome = await gateway.confirm(credentials, request, key="c")
        assert (outcome.kind, outcome.payer_ref) == (OutcomeKind.SUCCEEDED, "customer_1")
        later = await self.paid(gateway, credentials, method_token=outcome.card.token)
        assert later.method_token.startswith("paypal/")

    async def test_what_was_taken_back_cannot_be_approved_into_a_payment(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, is_on_session=True, method_token="")
        assert (await gateway.cancel(credentials, request, key="x")).kind is OutcomeKind.CANCELED
        merchant.approve(request.provider_ref)
        assert (await gateway.lookup(credentials, request)).kind is OutcomeKind.CANCELED
        assert (await gateway.confirm(credentials, request, key="c")).kind is OutcomeKind.CANCELED
        assert self.charged(merchant) == []

    async def test_a_wallet_is_saved_when_its_owner_has_agreed(self, gateway, credentials, merchant):
        request = self.a_request(RequestKind.SETUP, is_on_session=True, method_token="", business_key="t:setup:1")
        asked = await gateway.setup(credentials, request, key="s")
        known = replace(request, provider_ref=asked.provider_ref)
        assert (await gateway.open_page(credentials, known, key="p")).action_url.startswith("http")
        assert (await gateway.setup(credentials, known, key="s")).kind is OutcomeKind.REQUIRES_ACTION
        merchant.agree(asked.provider_ref)
        assert (await gateway.lookup_setup(credentials, known)).is_approved
        saved = [await gateway.setup(credentials, known, key="s") for _ in range(2)]
        merchant.forget_keys()
        saved.append(await gateway.setup(credentials, known, key="s"))
        assert {each.kind for each in saved} == {OutcomeKind.SUCCEEDED}
        assert len({each.card.token for each in saved}) == 1
        await self.paid(gateway, credentials, method_token=saved[0].card.token)
        assert await gateway.lookup_setup(credentials, replace(request, provider_ref="")) is None

    async def test_a_refund_is_found_after_paypal_has_forgotten_its_key(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        refund = self.a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(1000, "EUR"))
        self.break_answer(merchant, op="refund", mode="drop_after")
        assert (await gateway.refund(credentials, refund, key="r")).kind is OutcomeKind.UNKNOWN
        merchant.forget_keys()
        assert (await gateway.refund(credentials, refund, key="r")).kind is OutcomeKind.SUCCEEDED
        assert len(merchant.orders[paid.provider_ref]["purchase_units"][0]["payments"]["refunds"]) == 1

    async def test_a_token_is_fetched_once_and_again_when_it_has_ended(self, gateway, credentials, merchant):
        for _ in range(3):
            await self.prepared(gateway, credentials)
        assert merchant.calls.count("oauth") == 1
        merchant.end_tokens()
        await self.prepared(gateway, credentials)
        assert merchant.calls.count("oauth") == 2

    async def test_a_right_that_is_missing_is_no_decline(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        self.break_answer(merchant, op="confirm", mode="forbidden")
        with pytest.raises(Exception, match="lacks a right"):
            await gateway.confirm(credentials, request, key="c")
        self.break_answer(merchant, op="confirm", mode="unauthorized")
        assert (await gateway.confirm(credentials, request, key="c")).kind is OutcomeKind.SUCCEEDED

    async def test_a_key_too_long_for_paypal_still_makes_one_order(self, gateway, credentials, merchant):
        request, key = self.a_request(), "k" * 300
        made = [await gateway.prepare(credentials, request, key=key) for _ in range(2)]
        assert made[0].provider_ref == made[1].provider_ref
        other = await gateway.prepare(credentials, self.a_request(), key=key + str(uuid4()))
        assert other.provider_ref != made[0].provider_ref
