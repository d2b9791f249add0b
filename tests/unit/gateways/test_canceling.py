"""What closing a charge's object comes to, by what its provider answers."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.domain.gateways.model import (
    Asked,
    Call,
    GatewayAccount,
    GatewayRequest,
    OpenAccount,
    Outcome,
    OutcomeKind,
    RequestKind,
)
from guilder.domain.gateways.performers import Canceling
from guilder.domain.gateways.port import Credentials
from guilder.kernel.ids import TenantId
from guilder.kernel.money import Money

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID(int=7)


class Provider:
    def __init__(self, *, found, closed):
        self.found, self.closed, self.asked = found, closed, []

    async def lookup(self, credentials, request):
        self.asked.append("lookup")
        return self.found

    async def cancel(self, credentials, request, *, key):
        self.asked.append(f"cancel {request.provider_ref}")
        return self.closed


def a_call(provider_ref):
    request = GatewayRequest(
        tenant_id=TenantId(ID),
        id=ID,
        account_id=ID,
        gateway="stripe",
        kind=RequestKind.CANCEL,
        business_key="a:b:1",
        subject_id=ID,
        customer_id=ID,
        amount=Money(4900, "EUR"),
        provider_ref=provider_ref,
    )
    asked = Asked(
        request=request,
        outcome=None,
        decline_code="",
        is_hard_decline=False,
        is_withdrawn=False,
        is_settled=False,
        tries=1,
        sessions=0,
        requested_at=NOW,
        check_due_at=None,
    )
    account = GatewayAccount(
        tenant_id=TenantId(ID),
        id=ID,
        gateway="stripe",
        name="",
        is_default=True,
        is_active=True,
        created_at=NOW,
        endpoint_id=ID,
    )
    return Call(asked=asked, account=OpenAccount(account=account, secret_key="", endpoint_secret=""))


@pytest.mark.parametrize(
    ("ref", "found", "closed", "comes_to", "asked"),
    [
        ("", None, None, OutcomeKind.CANCELED, ["lookup"]),
        # Known, and not found: the money may lie elsewhere. Its provider says what that means, and nobody else.
        ("pi_1", None, OutcomeKind.UNKNOWN, OutcomeKind.UNKNOWN, ["lookup", "cancel pi_1"]),
        ("order", None, OutcomeKind.CANCELED, OutcomeKind.CANCELED, ["lookup", "cancel order"]),
        ("pi_1", OutcomeKind.REQUIRES_ACTION, OutcomeKind.CANCELED, OutcomeKind.CANCELED, ["lookup", "cancel pi_1"]),
        ("pi_1", OutcomeKind.REQUIRES_ACTION, OutcomeKind.DECLINED, OutcomeKind.UNKNOWN, ["lookup", "cancel pi_1"]),
        ("pi_1", OutcomeKind.SUCCEEDED, None, OutcomeKind.SUCCEEDED, ["lookup"]),
    ],
)
async def test_what_is_known_is_canceled_only_when_its_provider_says_so(ref, found, closed, comes_to, asked):
    provider = Provider(
        found=Outcome(kind=found) if found else None, closed=Outcome(kind=closed, provider_ref=ref) if closed else None
    )
    said = await Canceling({}).ask(provider, Credentials(secret_key=""), a_call(ref), step="once", looks_first=True)
    assert (said.kind, provider.asked) == (comes_to, asked)
