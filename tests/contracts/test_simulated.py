"""The simulated provider against the contract. It is a real process, asked over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from guilder.domain.gateways.adapters.simulated.client import Simulated
from guilder.domain.gateways.model import GatewayRequest, OutcomeKind
from guilder.domain.gateways.port import Credentials
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from simulated_provider.webhooks import sign
from tests.contracts.gateway_contract import HANGS_S, NOW, GatewayContract
from tests.contracts.protocol_contract import ProtocolContract
from tests.simulated_provider.support import Merchant, Provider

SECRET = "whsec_12345678"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"))
    provider.start()
    yield provider
    provider.kill()


class TestSimulated(GatewayContract, ProtocolContract):
    name = "simulated"
    good_card = "pm_card_ok"
    declined_card = "pm_card_insufficient_funds"
    hard_card = "pm_card_invalid_account"
    hard_card_not_saved = "pm_card_lost"
    tells_of_methods = True
    wrong_credentials = Credentials(secret_key="sk_wrong_1234567890")
    chargeable = (Money(4901, "EUR"), Money(12345, "JPY"), Money(12345, "KWD"), Money(100, "UGX"))

    @pytest.fixture
    def merchant(self, provider) -> Iterator[Merchant]:
        merchant = Merchant(provider, f"shop_{uuid4().hex}")
        yield merchant
        merchant.close()

    @pytest.fixture
    async def gateway(self, provider, patience_s) -> AsyncIterator[Simulated]:
        gateway = Simulated(base_url=provider.url, timeout_s=patience_s)
        yield gateway
        await gateway.close()

    @pytest.fixture
    def credentials(self, merchant) -> Credentials:
        return Credentials(secret_key=f"sk_sim_{merchant.account}")

    def break_answer(self, merchant: Merchant, *, op: str, mode: str) -> None:
        fault = {
            "hang": {"mode": "delay", "phase": "after", "seconds": HANGS_S},
            "busy": {"mode": "status", "status": 429, "retry_after": 7},
        }.get(mode, {"mode": mode})
        merchant.sim("faults", {"op": op, "times": 1, **fault})

    def charged(self, merchant: Merchant) -> list[Money]:
        charges = [each for each in merchant.journal()["charges"] if each["status"] == "succeeded"]
        return [Money(each["amount"], each["currency"].upper()) for each in charges]

    def notice_keys(self, merchant: Merchant) -> tuple[str, Mapping[str, str]]:
        return SECRET, {}

    def signed(self, merchant: Merchant, body: bytes, *, at: datetime) -> dict[str, str]:
        return {"simulated-signature": sign(SECRET, body, at=int(at.timestamp()))}

    def forged(self, merchant: Merchant, body: bytes, *, at: datetime) -> list[dict[str, str]]:
        seconds = int(at.timestamp())
        right = sign(SECRET, body, at=seconds)
        headers = ("", "t=abc", f"t={seconds}", f"t={seconds},v1=", right.replace("v1", "v0"), right + "0", "t" * 10**6)
        return [{}, {"simulated-signature": sign("whsec_another", body, at=seconds)}] + [
            {"simulated-signature": each} for each in headers
        ]

    async def notice_of_payment(self, merchant: Merchant, paid: GatewayRequest) -> bytes:
        events = [each for each in merchant.seen("events")["events"] if each["type"] == "payment_intent.succeeded"]
        [event] = [each for each in events if each["data"]["object"]["id"] == paid.provider_ref]
        return json.dumps(event).encode()

    async def notice_of_renewal(self, merchant: Merchant, token: str) -> bytes:
        merchant.sim(f"payment_methods/{token}/renew", {"exp_month": 3, "exp_year": 2041})
        return self.told(merchant, "payment_method.automatically_updated")

    async def notice_of_detaching(self, merchant: Merchant, token: str) -> bytes:
        merchant.post(f"/v1/payment_methods/{token}/detach")
        return self.told(merchant, "payment_method.detached")

    def told(self, merchant: Merchant, kind: str) -> bytes:
        [event] = [each for each in merchant.seen("events")["events"] if each["type"] == kind]
        return json.dumps(event).encode()

    def strange_notice(self, merchant: Merchant) -> bytes:
        return b'{"id": "evt_9", "type": "planet.discovered", "data": {"object": {"moons": [1, {}]}}, "new": null}'

    async def test_it_lives_on_the_time_it_is_given(self, gateway, credentials, merchant):
        dated = replace(credentials, now=NOW + timedelta(days=3650))
        await self.paid(gateway, dated)
        assert merchant.journal()["charges"][0]["at"].startswith("2036-")

    async def test_a_provider_that_is_not_there_is_unknown(self, credentials):
        nowhere = Simulated(base_url="http://127.0.0.1:9")
        outcome = await nowhere.lookup(credentials, self.a_request())
        assert (outcome.kind, outcome.is_outage) == (OutcomeKind.UNKNOWN, True)
        await nowhere.close()

    async def test_it_is_idle_when_no_notice_is_on_its_way(self, gateway, credentials, merchant):
        assert await gateway.is_idle(credentials, account=merchant.account)
        await gateway.register_webhook(credentials, url="http://127.0.0.1:9/x", secret=SECRET)
        await self.paid(gateway, credentials)
        await asyncio.sleep(0.1)
        assert not await gateway.is_idle(credentials, account=merchant.account)

    async def test_its_notices_name_the_account(self, gateway, credentials, merchant):
        request = await self.paid(gateway, credentials)
        body = await self.notice_of_payment(merchant, request)
        notice = await self.read(gateway, merchant, body, self.signed(merchant, body, at=NOW), now=NOW)
        assert notice.account == merchant.account
