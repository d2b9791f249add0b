"""A provider in this process that says yes at once: what is measured is us, and no network. It keeps a journal."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from guilder.domain.gateways.model import CardDetails, GatewayRequest, Outcome, OutcomeKind, Registration
from guilder.domain.gateways.port import Credentials


@dataclass(slots=True)
class Bank:
    """The part of guilder.domain.gateways.port.Gateway that a charge to a saved card uses, and one that it declines."""

    name: str = "simulated"
    declined: set[str] = field(default_factory=set)
    """Cards that have no money on them, by their tokens."""
    # On disk, a line a charge: what a provider remembers is not to be taken for memory that the house needs.
    _charges: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    @property
    def charges(self) -> list[dict[str, Any]]:
        """Read back what was charged, in its order."""
        self._charges.seek(0)
        return [json.loads(line) for line in self._charges]

    def charged(self, charges: Sequence[dict[str, Any]]) -> None:
        """Write charges down: its own, and those of another process's side of the bank."""
        self._charges.seek(0, 2)
        self._charges.writelines(json.dumps(each).encode() + b"\n" for each in charges)

    @property
    def journal(self) -> dict[str, Any]:
        return {"gateway": self.name, "charges": self.charges, "refunds": []}

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
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
        self.charged([charge])
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
