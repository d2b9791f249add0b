"""Stripe's adapter against the contract."""

import httpx
import pytest

from guilder.domain.gateways.adapters.stripe.client import Stripe
from guilder.domain.gateways.model import OutcomeKind
from guilder.kernel.money import Money
from tests.contracts.gateway_contract import GatewayContract
from tests.contracts.protocol_contract import ProtocolContract
from tests.contracts.stripe_ground import StripeGround


class TestStripe(StripeGround, GatewayContract, ProtocolContract):
    async def test_a_key_that_was_broken_on_is_not_asked_under_for_a_day(self, gateway, credentials, merchant):
        request = await self.prepared(gateway, credentials)
        merchant.fault("broken", "confirm")
        assert (await gateway.confirm(credentials, request, key="c")).kind is OutcomeKind.UNKNOWN
        assert (await gateway.confirm(credentials, request, key="c")).kind is OutcomeKind.SUCCEEDED
        assert (await gateway.confirm(credentials, request, key="c")).kind is OutcomeKind.SUCCEEDED
        assert self.charged(merchant) == [Money(4900, "EUR")]

    @pytest.mark.parametrize("mode", ["redirect", "endless", "list"])
    @pytest.mark.parametrize("op", ["prepare", "confirm", "lookup"])
    async def test_what_is_no_answer_of_stripes_is_unknown(self, gateway, credentials, merchant, op, mode):
        said = await self.broken(gateway, credentials, merchant, op=op, mode=mode)
        assert said.kind is OutcomeKind.UNKNOWN
        assert "account" not in [each["path"].rpartition("/")[2] for each in merchant.account.asked]

    async def test_a_provider_that_is_not_there_is_unknown(self, credentials):
        nowhere = Stripe(base_url="http://127.0.0.1:9", timeout_s=5)
        outcome = await nowhere.lookup(credentials, self.a_request())
        assert (outcome.kind, outcome.is_outage) == (OutcomeKind.UNKNOWN, True)
        await nowhere.close()

    async def test_every_request_is_of_the_pinned_version_and_only_writes_have_keys(
        self, gateway, credentials, merchant
    ):
        request = await self.paid(gateway, credentials)
        await gateway.lookup(credentials, request)
        assert {each["version"] for each in merchant.account.asked} == {"2026-10-28.endive"}
        keys = [(each["method"], bool(each["key"])) for each in merchant.account.asked]
        assert keys == [("POST", True)] * 3 + [("GET", False)]

    async def test_the_contract_fails_where_a_request_is_not_as_published(self, credentials, merchant, gateway):
        answer = httpx.post(
            f"{merchant.fake.url}/v1/payment_intents",
            headers={"authorization": f"Bearer {merchant.secret_key}"},
            data={"amount": "1", "currency": "eur", "colour": "blue"},
            trust_env=False,
            timeout=60,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parameter_unknown")
