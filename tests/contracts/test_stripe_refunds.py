"""Refunds that Stripe itself does not know the end of yet: they are waited for, and never made or given up a second time."""

from datetime import timedelta

import pytest

from guilder.domain.gateways.model import Call, OutcomeKind, RequestKind
from guilder.domain.gateways.performers import Refunding
from guilder.domain.gateways.rules import asking
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.contracts.gateway_contract import NOW
from tests.contracts.protocol_contract import an_account, an_asked
from tests.contracts.stripe_ground import StripeGround

DAY_S = 86_400


class TestPendingRefunds(StripeGround):
    """A balance that is too low, a bank that takes its time."""

    @pytest.mark.parametrize(("end", "kind"), [("succeeded", OutcomeKind.SUCCEEDED), ("failed", OutcomeKind.DECLINED)])
    async def test_one_that_takes_days_is_looked_up_until_it_is_known(self, gateway, credentials, merchant, end, kind):
        paid = await self.paid(gateway, credentials)
        request = self.a_request(RequestKind.REFUND, provider_ref=paid.provider_ref, amount=Money(900, "EUR"))
        asked, said = replace(an_asked(replace(request, kind=RequestKind.CHARGE)), request=request), None
        merchant.account.refunds_begin = "pending"
        for day, status in enumerate(("pending", "requires_action", "pending", end)):
            for made in merchant.account.of("refund"):
                made["status"] = status
            call = Call(asked=asked, account=an_account(request, credentials))
            said = await Refunding({"stripe": gateway}).ask(
                gateway, credentials, call, step=asking.ONCE, looks_first=day > 0
            )
            asked = asking.turn(asked, step=asking.ONCE, outcome=said, now=NOW + timedelta(days=day)).asked
            assert asked.is_settled is (day == 3), (day, said)
            merchant.advance(DAY_S + 1)
        assert said.kind is kind
        assert len(list(merchant.account.of("refund"))) == 1
