"""The payment protocol over a real adapter: whatever goes wrong with a call, money moves once or not at all.

What the runner and the clock do is done here in a few lines; what is asked next is the product's own rules'.
"""

from typing import Any

import pytest

from guilder.domain.gateways.model import (
    Asked,
    Call,
    GatewayAccount,
    GatewayRequest,
    Next,
    OpenAccount,
    Outcome,
    OutcomeKind,
    RequestKind,
)
from guilder.domain.gateways.performers import Charging
from guilder.domain.gateways.port import Credentials
from guilder.domain.gateways.rules import asking
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from tests.contracts.gateway_contract import NOW, GatewayGround

CALLS_MAX = 30


class ProtocolContract(GatewayGround):
    """Inherited beside GatewayContract."""

    # What an answer can be that is looked up until it is right; a wrong amount is left to a person.
    lost = ("drop_before", "drop_after", "status", "html", "truncated", "unknown_status", "busy")

    @pytest.mark.parametrize("op", ["prepare", "confirm", "lookup"])
    async def test_money_moves_once_whatever_is_lost(self, gateway, credentials, merchant, op):
        for number, mode in enumerate(self.lost, 1):
            self.break_answer(merchant, op=op, mode=mode)
            # A look comes only after something else went wrong.
            if op == "lookup":
                self.break_answer(merchant, op="confirm", mode="drop_after")
            said = await self.carried_out(gateway, credentials, self.a_request())
            assert said.kind is OutcomeKind.SUCCEEDED, (op, mode, said)
            assert self.charged(merchant) == [Money(4900, "EUR")] * number, (op, mode)

    @pytest.mark.parametrize("op", ["", "confirm", "cancel"])
    async def test_what_is_declined_is_closed_and_says_why(self, gateway, credentials, merchant, op):
        for mode in self.lost if op else ("",):
            if op:
                self.break_answer(merchant, op=op, mode=mode)
            said = await self.carried_out(gateway, credentials, self.a_request(method_token=self.hard_card))
            assert (said.kind, said.is_hard_decline, said.decline_code != "") == (OutcomeKind.DECLINED, True, True)
        assert self.charged(merchant) == []

    async def carried_out(self, gateway: Any, credentials: Credentials, request: GatewayRequest) -> Outcome:
        """Carry a charge out to its end, each call as the runner makes it."""
        asked, step, told = an_asked(request), asking.PREPARE, None
        charging = Charging({gateway.name: gateway})
        for calls in range(CALLS_MAX):
            call = Call(asked=asked, account=an_account(request, credentials))
            looks_first = asked.tries > 0 or calls > CALLS_MAX // 2
            outcome = await charging.ask(gateway, credentials, call, step=step, looks_first=looks_first)
            turn = asking.turn(asked, step=step, outcome=outcome, now=NOW)
            asked, told = turn.asked, turn.tells or told
            if asked.is_settled:
                assert told is not None
                return told
            # What the runner leaves to the clock begins again at its first step.
            step = turn.step if turn.next is Next.STEP else step if turn.next is Next.AGAIN else asking.PREPARE
        raise AssertionError(f"no end: {told}")


def an_asked(request: GatewayRequest) -> Asked:
    assert request.kind is RequestKind.CHARGE, request
    return Asked(
        request=replace(request, provider_ref=""),
        outcome=None,
        decline_code="",
        is_hard_decline=False,
        is_withdrawn=False,
        is_settled=False,
        tries=0,
        sessions=0,
        requested_at=NOW,
        check_due_at=None,
    )


def an_account(request: GatewayRequest, credentials: Credentials) -> OpenAccount:
    account = GatewayAccount(
        tenant_id=request.tenant_id,
        id=request.account_id,
        gateway=request.gateway,
        name="of a test",
        is_default=True,
        is_active=True,
        created_at=NOW,
        endpoint_id=request.id,
    )
    return OpenAccount(account=account, secret_key=credentials.secret_key, endpoint_secret="")
