"""What every gateway must do, tried on each adapter. The simulated provider is a real process, asked over HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from guilder.domain.gateways.adapters.simulated.client import Simulated
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind, RequestKind
from guilder.domain.gateways.port import BadNotice, Credentials, CredentialsRefused, UnreadableNotice
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money
from simulated_provider.webhooks import sign
from tests.simulated_provider.support import Merchant, Provider

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId(ids.new(NOW))


def a_request(kind: RequestKind = RequestKind.CHARGE, **over: Any) -> GatewayRequest:
    said = {
        "tenant_id": TENANT,
        "id": ids.new(NOW),
        "account_id": ids.new(NOW),
        "gateway": "simulated",
        "kind": kind,
        "business_key": f"{TENANT}:{uuid4()}:1",
        "subject_id": ids.new(NOW),
        "customer_id": uuid4(),
        "amount": None if kind is RequestKind.SETUP else Money(4900, "EUR"),
        "method_token": "pm_card_ok",
        "return_url": "https://shop.example/back",
    }
    return GatewayRequest(**{**said, **over})


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


class GatewayContract:
    """Subclasses give `gateway`, `credentials`, the cards' tokens, and ways to break the provider's answers."""

    declined_card: str
    hard_card: str
    hard_card_not_saved: str

    @pytest.fixture
    def gateway(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def credentials(self) -> Any:
        raise NotImplementedError

    def break_answer(self, merchant: Any, *, op: str, mode: str) -> None:
        raise NotImplementedError

    def charged(self, merchant: Any) -> list[int]:
        raise NotImplementedError

    async def prepared(self, gateway, credentials, **over) -> GatewayRequest:
        request = a_request(**over)
        outcome = await gateway.prepare(credentials, request, key=request.business_key)
        assert outcome.kind is OutcomeKind.REQUIRES_ACTION
        return replace(request, provider_ref=outcome.provider_ref)

    async def paid(self, gateway, credentials) -> GatewayRequest:
        request = await self.prepared(gateway, credentials)
        outcome = await gateway.confirm(credentials, request, key="c" + request.business_key)
        assert outcome.kind is OutcomeKind.SUCCEEDED
        return request

    async def test_preparing_charges_nothing_and_is_done_once_per_key(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        again = await gateway.prepare(credentials, request, key=request.business_key)
        assert again.provider_ref == request.provider_ref
        assert self.charged(merchant) == []

    async def test_confirming_charges_the_exact_amount_once(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials, amount=Money(12345, "JPY"))
        outcomes = [await gateway.confirm(credentials, request, key=f"k{n}{request.id}") for n in range(3)]
        assert [(o.kind, o.amount) for o in outcomes] == [(OutcomeKind.SUCCEEDED, Money(12345, "JPY"))] * 3
        assert outcomes[0].card.last4 == "4242"
        assert outcomes[0].charge_ref
        assert self.charged(merchant) == [12345]

    async def test_a_decline_says_why_and_whether_it_is_for_good(self, gateway, credentials, merchant):
        for card, is_hard in ((self.declined_card, False), (self.hard_card, True)):
            request = await self.prepared(gateway, credentials, method_token=card)
            outcome = await gateway.confirm(credentials, request, key="c" + request.business_key)
            assert (outcome.kind, outcome.is_hard_decline) == (OutcomeKind.DECLINED, is_hard)
            assert outcome.decline_code
            found = await gateway.lookup(credentials, request)
            assert (found.kind, found.decline_code) == (OutcomeKind.DECLINED, outcome.decline_code)

    async def test_an_object_is_found_by_its_business_key_alone(self, gateway, credentials):
        request = await self.prepared(gateway, credentials)
        found = await gateway.lookup(credentials, replace(request, provider_ref=""))
        assert found.provider_ref == request.provider_ref
        assert await gateway.lookup(credentials, a_request()) is None

    async def test_closing_is_for_good_and_never_undoes_money(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        for n in range(2):
            assert (await gateway.cancel(credentials, request, key=f"x{n}")).kind is OutcomeKind.CANCELED
        late = await gateway.confirm(credentials, request, key="late")
        assert late.kind is OutcomeKind.CANCELED
        paid = await self.paid(gateway, credentials)
        assert (await gateway.cancel(credentials, paid, key="y")).kind is OutcomeKind.SUCCEEDED
        assert self.charged(merchant) == [4900]

    async def test_a_page_is_opened_for_the_customer(self, gateway, credentials):
        request = await self.prepared(gateway, credentials, is_on_session=True)
        page = await gateway.open_page(credentials, request, key="p" + request.business_key)
        assert page.kind is OutcomeKind.REQUIRES_ACTION
        assert page.action_url.startswith("http")

    @pytest.mark.parametrize(
        "mode", ["drop_before", "drop_after", "status", "html", "truncated", "unknown_status", "wrong_amount"]
    )
    @pytest.mark.parametrize("op", ["prepare", "confirm", "lookup"])
    async def test_no_answer_or_a_wrong_one_is_unknown(self, gateway, credentials, merchant, op, mode):
        request = await self.prepared(gateway, credentials)
        self.break_answer(merchant, op=op, mode=mode)
        outcome = {
            "prepare": lambda: gateway.prepare(credentials, a_request(), key=str(uuid4())),
            "confirm": lambda: gateway.confirm(credentials, request, key=str(uuid4())),
            "lookup": lambda: gateway.lookup(credentials, request),
        }[op]
        said = await outcome()
        assert said.kind is OutcomeKind.UNKNOWN
        assert bool(said.alert) == (mode == "wrong_amount")

    async def test_a_refused_key_is_an_error_of_its_own(self, gateway, credentials, merchant):
        wrong = Credentials(secret_key="sk_wrong_1234567890")
        request = a_request()
        for call in (
            gateway.prepare(wrong, request, key="k"),
            gateway.lookup(wrong, request),
            gateway.refund(wrong, replace(request, provider_ref="pi_1"), key="k"),
            gateway.register_webhook(wrong, url="https://x.example/", secret="whsec_12345678"),
        ):
            with pytest.raises(CredentialsRefused):
                await call

    async def test_a_refund_is_made_once_and_never_beyond_what_was_captured(self, gateway, credentials, merchant):
        paid = await self.paid(gateway, credentials)
        refund = a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(3000, "EUR"))
        assert await gateway.lookup_refund(credentials, refund) is None
        outcomes = [await gateway.refund(credentials, refund, key=refund.business_key) for _ in range(2)]
        assert {(o.kind, o.provider_ref) for o in outcomes} == {(OutcomeKind.SUCCEEDED, outcomes[0].provider_ref)}
        assert (await gateway.lookup_refund(credentials, refund)).provider_ref == outcomes[0].provider_ref
        more = replace(refund, business_key=refund.business_key + "x", amount=Money(2000, "EUR"))
        assert (await gateway.refund(credentials, more, key="more")).kind is OutcomeKind.DECLINED

    async def test_a_card_is_saved_without_a_charge(self, gateway, credentials, merchant):
        request = a_request(RequestKind.SETUP)
        saved = await gateway.setup(credentials, request, key=request.business_key)
        assert saved.kind is OutcomeKind.SUCCEEDED
        assert (saved.card.last4, saved.card.token != "") == ("4242", True)
        assert (await gateway.lookup_setup(credentials, request)).card.token == saved.card.token
        refused = a_request(RequestKind.SETUP, method_token=self.hard_card_not_saved)
        assert (await gateway.setup(credentials, refused, key="s")).kind is OutcomeKind.DECLINED
        assert self.charged(merchant) == []


class TestSimulated(GatewayContract):
    declined_card = "pm_card_insufficient_funds"
    hard_card = "pm_card_invalid_account"
    hard_card_not_saved = "pm_card_lost"

    @pytest.fixture
    def merchant(self, provider) -> Iterator[Merchant]:
        merchant = Merchant(provider, f"shop_{uuid4().hex}")
        yield merchant
        merchant.close()

    @pytest.fixture
    async def gateway(self, provider) -> AsyncIterator[Simulated]:
        gateway = Simulated(base_url=provider.url, timeout_s=3)
        yield gateway
        await gateway.close()

    @pytest.fixture
    def credentials(self, merchant) -> Credentials:
        return Credentials(secret_key=f"sk_sim_{merchant.account}")

    def break_answer(self, merchant: Merchant, *, op: str, mode: str) -> None:
        merchant.sim("faults", {"mode": mode, "op": op, "times": 1})

    def charged(self, merchant: Merchant) -> list[int]:
        return merchant.charged()

    async def test_it_lives_on_the_time_it_is_given(self, gateway, credentials, merchant):
        dated = replace(credentials, now=NOW + timedelta(days=3650))
        await self.paid(gateway, dated)
        assert merchant.journal()["charges"][0]["at"].startswith("2036-")

    async def test_a_provider_that_is_not_there_is_unknown(self, credentials):
        nowhere = Simulated(base_url="http://127.0.0.1:9")
        outcome = await nowhere.lookup(credentials, a_request())
        assert (outcome.kind, outcome.is_outage) == (OutcomeKind.UNKNOWN, True)
        await nowhere.close()

    async def test_it_is_idle_when_no_notice_is_on_its_way(self, gateway, credentials, merchant):
        assert await gateway.is_idle(credentials, account=merchant.account)
        await gateway.register_webhook(credentials, url="http://127.0.0.1:9/x", secret="whsec_12345678")
        await self.paid(gateway, credentials)
        await asyncio.sleep(0.1)
        assert not await gateway.is_idle(credentials, account=merchant.account)

    async def test_its_notices_are_read_as_its_answers_are(self, gateway, credentials, merchant):
        await gateway.register_webhook(credentials, url="http://127.0.0.1:9/x", secret="whsec_12345678")
        request = await self.paid(gateway, credentials)
        [event] = [e for e in merchant.seen("events")["events"] if e["type"] == "payment_intent.succeeded"]
        body = json.dumps(event).encode()
        wall = datetime.now(UTC)
        headers = {"simulated-signature": sign("whsec_12345678", body, at=int(time.time()))}
        notice = await gateway.read_notice(headers, body, secret="whsec_12345678", settings={}, now=wall)
        assert (notice.subject, notice.business_key) == (RequestKind.CHARGE, request.business_key)
        assert notice.account == merchant.account
        assert (notice.outcome.kind, notice.outcome.amount) == (OutcomeKind.SUCCEEDED, request.amount)
        for changed in (body + b" ", body.replace(b"4900", b"4901")):
            with pytest.raises(BadNotice):
                await gateway.read_notice(headers, changed, secret="whsec_12345678", settings={}, now=wall)
        for shift in (timedelta(seconds=302), timedelta(seconds=-302)):
            with pytest.raises(BadNotice):
                await gateway.read_notice(headers, body, secret="whsec_12345678", settings={}, now=wall + shift)

    @pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"{}", b'{"id": 1, "type": "x"}', b"[" * 100_000])
    async def test_a_signed_body_that_is_no_notice_is_told_apart(self, gateway, body):
        headers = {"simulated-signature": sign("whsec_12345678", body, at=int(NOW.timestamp()))}
        with pytest.raises(UnreadableNotice):
            await gateway.read_notice(headers, body, secret="whsec_12345678", settings={}, now=NOW)
