"""What a payment provider must be able to do, in our words. Every adapter passes the same tests.

Calls answer with an Outcome of one of five kinds, and no other way: what got no answer, or an answer that cannot be
understood or is about another amount than was asked, is `unknown`. `requires_action` says that the object exists and
waits: for its confirmation, or for the customer, where there is an `action_url`. Where `is_approved` the customer has
agreed on the provider's page, and the charge is ours to confirm, or the method ours to keep by another `setup`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from guilder.domain.gateways.model import Finding, GatewayRequest, Notice, Outcome, RecordPage, Registration
from guilder.platform.outside.intents import CallFailed


class CredentialsRefused(CallFailed):
    """The provider does not take the account's key. Nothing was charged and nothing was declined."""

    def __init__(self, reason: str = "the provider refuses the account's key") -> None:
        super().__init__(reason, is_outage=False)


class BadNotice(Exception):
    """A webhook whose signature, time or form is not right. Its sender is not told which."""


class UnreadableNotice(Exception):
    """Correctly signed, and not in a form that we can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Whose account it is; `now` is given where the provider lives on the tenant's own time (a sandbox)."""

    secret_key: str = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    now: datetime | None = None


class Bookkeeping(Protocol):
    """What a provider's own books say: for reconciling, and for finding out whether an account is set up rightly."""

    async def records(
        self, credentials: Credentials, *, since: datetime, until: datetime, cursor: str = ""
    ) -> RecordPage:
        """Return what moved money from `since` up to but not including `until`, oldest first, a page at a time.

        :raises CredentialsRefused: the key is not taken
        :raises CallFailed: no answer, or one that cannot be read; nothing is known then
        """
        ...

    async def check(self, credentials: Credentials, *, webhook_url: str) -> list[Finding]:
        """Say what is right and what is wrong with an account: its key first, its rights, its webhook and its events.

        Without a `webhook_url` only what can be said before there is one. Each finding that is not ok says what to do.
        """
        ...

    async def send_test_notice(self, credentials: Credentials) -> bool:
        """Have the provider send a notice that is about nothing of ours to our webhook; False: it has no way to.

        :raises CredentialsRefused: the key is not taken, or may not do this
        :raises CallFailed: no answer
        """
        ...


class Gateway(Bookkeeping, Protocol):
    """A provider. `key` is the idempotency key of a call: the same however often it is tried.

    :raises CredentialsRefused: from every call that takes credentials
    """

    name: str
    verifies_alone: bool
    """What it verifies webhooks by is at hand: it asks nobody for it, and may be asked within a transaction."""

    async def close(self) -> None:
        """Let go of connections. Nothing is asked afterwards."""
        ...

    async def prepare(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Create the object of a charge, with its business key as metadata; nothing is charged yet."""
        ...

    async def confirm(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Charge the request's method on its prepared object, the customer absent; on session, what they agreed to."""
        ...

    async def lookup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None:
        """Find a charge's object by its id or business key; None: the provider knows of none."""
        ...

    async def cancel(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Close a charge's object for good; what settled meanwhile is answered as it is."""
        ...

    async def open_page(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Open the provider's page for a prepared charge or setup; `action_url` leads to it."""
        ...

    async def refund(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome: ...

    async def lookup_refund(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None: ...

    async def setup(self, credentials: Credentials, request: GatewayRequest, *, key: str) -> Outcome:
        """Save a card without charging it: the token's, or one that the customer types on the provider's page."""
        ...

    async def lookup_setup(self, credentials: Credentials, request: GatewayRequest) -> Outcome | None: ...

    async def register_webhook(self, credentials: Credentials, *, url: str, secret: str) -> Registration:
        """Have notices sent to this address, signed with this secret where the provider lets us choose it.

        Doing so again for the same address leaves one registration.
        """
        ...

    async def is_idle(self, credentials: Credentials, *, account: str) -> bool:
        """Tell whether no notice of this account is on its way any more."""
        ...

    def account_of(self, secret_key: str) -> str:
        """Return what the provider calls this key's account, where the key says so; else nothing."""
        ...

    def mode_of(self, secret_key: str, settings: Mapping[str, str]) -> str:
        """Return whether this key moves money (`live`) or only plays (`test`).

        :raises ValueError: it is no key of this provider's; says what one looks like, never the key
        """
        ...

    async def read_notice(
        self, headers: Mapping[str, str], body: bytes, *, secret: str, settings: Mapping[str, str], now: datetime
    ) -> Notice:
        """Verify a webhook over its raw bytes and read it. `now` is the wall clock's. Never inside a transaction, unless it
        `verifies_alone`.

        :raises BadNotice: not signed by whoever has the secret, or not within five minutes of now
        :raises UnreadableNotice: signed, and yet no notice
        :raises CallFailed: what is needed to verify it could not be had; the provider should send it again
        """
        ...
