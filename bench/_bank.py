"""A provider in this process that says yes at once: what is measured is us, and no network. It keeps a journal."""

from dataclasses import dataclass, field
from typing import Any

from guilder.domain.gateways.model import CardDetails, GatewayRequest, Outcome, OutcomeKind, Registration
from guilder.domain.gateways.port import Credentials


@dataclass(slots=True)
class Bank:
    """The part of guilder.domain.gateways.port.Gateway that a charge to a saved card uses, and one that it declines."""

    name: str = "simulated"
    prepared: dict[str, GatewayRequest] = field(default_factory=dict)
    charges: list[dict[str, Any]] = field(default_factory=list)
    declined: set[str] = field(default_factory=set)
    """Cards that have no money on them, by their tokens."""

    @property
    def journal(self) -> dict[str, Any]:
        return {"gateway": self.name, "charges": self.charges, "refunds": []}

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        self.prepared[request.business_key] = request
        return Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=f"pi_{request.id.hex}", amount=request.amount)

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        assert request.amount is not None, request
        assert credentials.now is None, "a tenant on the wall clock"
        ref = f"pi_{request.id.hex}"
        if request.method_token in self.declined:
            return Outcome(kind=OutcomeKind.DECLINED, provider_ref=ref, decline_code="insufficient_funds")
        charge = {
            "ref": ref,
            "business_key": request.business_key,
            "amount": request.amount.minor,
            "currency": request.amount.currency.lower(),
            "status": "succeeded",
            "at": None,
        }
        self.charges.append(charge)
        return Outcome(
            kind=OutcomeKind.SUCCEEDED,
            provider_ref=ref,
            charge_ref=f"ch_{request.id.hex}",
            amount=request.amount,
            card=_card(request),
        )

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        assert request.method_token in self.declined, request
        return Outcome(kind=OutcomeKind.CANCELED, provider_ref=request.provider_ref, amount=request.amount)

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=f"seti_{request.id.hex}", card=_card(request))

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        return Registration(kind=OutcomeKind.SUCCEEDED)


def _card(request: GatewayRequest) -> CardDetails:
    token = request.method_token or f"pm_{request.id.hex}"
    return CardDetails(token=token, brand="visa", last4="4242", exp_month=12, exp_year=2040)
