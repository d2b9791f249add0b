"""The manual gateway: the customer transfers the money, and staff records that it came. It calls nobody.

An account's settings: `instructions`, what the customer reads (whom to pay, the account, until when), and
`reference_prefix`, what the reference that they are to write begins with.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from guilder.domain.gateways.model import (
    Finding,
    GatewayRequest,
    Notice,
    Outcome,
    OutcomeKind,
    RecordPage,
    Registration,
)
from guilder.domain.gateways.port import BadNotice, Credentials

INSTRUCTIONS = "instructions"
REFERENCE_PREFIX = "reference_prefix"
CANNOT_BE_SAVED = "transfers_cannot_be_saved"
_PREFIX_MAX = 12


class Manual:
    name = "manual"
    verifies_alone = True

    async def close(self) -> None:
        """There is nothing to close."""

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Wait for the transfer, named by a digest of the business key: alike however often it is prepared."""
        return _waits(request)

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return _waits(request)

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        """Answer that it waits: whether it came only staff can say, and they say it to payments."""
        return _waits(request)

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return Outcome(kind=OutcomeKind.CANCELED, provider_ref=ref_of(request.business_key), amount=request.amount)

    async def open_page(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Wait: it has no page of its own, the checkout page shows what to transfer where."""
        return _waits(request)

    async def refund(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return _to_be_sent(request)

    async def lookup_refund(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        return _to_be_sent(request)

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        return Outcome(kind=OutcomeKind.DECLINED, decline_code=CANNOT_BE_SAVED, is_hard_decline=True)

    async def lookup_setup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        return None

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        """Answer that all is well: nobody will ever send a notice."""
        return Registration(kind=OutcomeKind.SUCCEEDED)

    async def send_test_notice(self, credentials: Credentials) -> bool:
        return False

    async def is_idle(self, credentials: Credentials, *, account: str) -> bool:
        return True

    def account_of(self, secret_key: str) -> str:
        return ""

    def mode_of(self, secret_key: str, settings: Mapping[str, str]) -> str:
        if secret_key:
            raise ValueError("a manual account has no key: leave secret_key out")
        if not settings.get(INSTRUCTIONS, "").strip():
            raise ValueError("a manual account needs settings.instructions: what a customer reads who is to transfer")
        prefix = settings.get(REFERENCE_PREFIX, "")
        if len(prefix) > _PREFIX_MAX or not all(each.isascii() and (each.isalnum() or each == "-") for each in prefix):
            raise ValueError(f"settings.reference_prefix has at most {_PREFIX_MAX} letters, digits and hyphens")
        return ""

    async def read_notice(
        self, headers: Mapping[str, str], body: bytes, *, secret: str, settings: Mapping[str, str], now: datetime
    ) -> Notice:
        """Refuse: there is nobody who could have sent it."""
        raise BadNotice

    async def records(
        self, credentials: Credentials, *, since: datetime, until: datetime, cursor: str = ""
    ) -> RecordPage:
        """Return nothing: the only books on transfers are ours, and the bank's."""
        return RecordPage(records=())

    async def check(self, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
        is_said = bool(credentials.settings.get(INSTRUCTIONS, "").strip())
        advice = "" if is_said else "set settings.instructions: what a customer reads who is to transfer money"
        return [Finding(what="instructions for the transfer", is_ok=is_said, advice=advice)]


def ref_of(business_key: str) -> str:
    """Return what a transfer is called in the place of a provider's object."""
    return f"manual_{hashlib.sha256(business_key.encode()).hexdigest()[:24]}"


def _waits(request: GatewayRequest) -> Outcome:
    return Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=ref_of(request.business_key), amount=request.amount)


def _to_be_sent(request: GatewayRequest) -> Outcome:
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        provider_ref=ref_of(request.business_key),
        message="staff sends it, and records that",
        is_pending=True,
    )
