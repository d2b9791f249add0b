"""Connecting an account at a provider, step by step: looked at, saved, registered there, and heard from."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import httpx
import msgspec

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Finding, GatewayAccount, OpenAccount
from guilder.domain.gateways.performers import credentials_of
from guilder.domain.gateways.port import Credentials, CredentialsRefused, Gateway
from guilder.domain.identity.model import Mode, Tenant
from guilder.entrypoints.cli.access import DEFAULT, Office
from guilder.entrypoints.cli.speaking import Trouble
from guilder.platform.db.tx import Tx
from guilder.platform.outside.http import OutboundPolicy, UnsafeUrl
from guilder.platform.outside.intents import CallFailed

LOOK_EVERY_S = 0.5
PROBE_TIMEOUT_S = 10.0
# A notice that was sent before anybody forwarded it is lost: another is sent.
RING_EVERY_S = 10.0
# Where nobody answers at our address, a notice is not waited for long.
UNANSWERED_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An account as somebody entered it. With an `endpoint_secret` they made the webhook at the provider themselves."""

    gateway: str
    name: str
    secret_key: str = field(repr=False)
    settings: dict[str, str] = field(default_factory=dict)
    endpoint_secret: str = field(default="", repr=False)
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one tenant's account is worked on."""

    office: Office
    gateway: Gateway
    tenant: Tenant

    async def look_before(self, wanted: Wanted) -> list[Finding]:
        """Look at an account that is not connected yet; the first finding is about its key.

        :raises Trouble: it is no key of this provider's, or of the other kind than the tenant
        """
        try:
            mode = self.gateway.mode_of(wanted.secret_key, wanted.settings)
        except ValueError as error:
            raise Trouble(str(error)) from None
        refuse_other_mode(mode, self.tenant)
        credentials = Credentials(secret_key=wanted.secret_key, settings=wanted.settings)
        return await self.gateway.check(credentials, webhook_url="")

    async def save(self, wanted: Wanted) -> GatewayAccount:
        """Connect the account, or renew the key of the one of this name."""
        mode, key = self.gateway.mode_of(wanted.secret_key, wanted.settings), wanted.secret_key
        settings = {**wanted.settings, **({"mode": mode} if mode else {})}

        async def work(tx: Tx, now: datetime) -> GatewayAccount:
            alike = [each for each in await gateways.accounts(tx) if each.gateway == wanted.gateway and each.is_active]
            named = next((each for each in alike if each.name == wanted.name), None)
            if named is not None:
                saved = await gateways.renew_secret(
                    tx,
                    account_id=named.id,
                    secret_key=key,
                    provider_account=self.gateway.account_of(key) or named.provider_account,
                    settings=settings,
                    endpoint_secret=wanted.endpoint_secret,
                    now=now,
                )
            else:
                # As the environment would: the address without an endpoint's id is the default tenant's first account's.
                is_first = self.tenant.slug == DEFAULT and not alike
                verb = gateways.connect_named if is_first else partial(gateways.connect, is_default=False)
                saved = await verb(
                    tx,
                    gateway=wanted.gateway,
                    name=wanted.name,
                    secret_key=key,
                    settings=settings,
                    provider_account=self.gateway.account_of(key),
                    endpoint_secret=wanted.endpoint_secret,
                    now=now,
                )
            return await gateways.make_default(tx, account_id=saved.id) if wanted.is_default else saved

        return await self.office.of(self.tenant, work)

    async def find(self, name: str) -> GatewayAccount:
        """Find a connected account by its name, or the only one of this gateway.

        :raises Trouble: there is none, or it cannot be told which
        """
        found = await self.office.of(self.tenant, lambda tx, _now: gateways.accounts(tx))
        mine = [each for each in found if each.gateway == self.gateway.name and each.is_active]
        named = [each for each in mine if each.name == name] or mine
        if not named:
            raise Trouble(
                f"{self.tenant.slug} has no such account yet; `guilder connect {self.gateway.name}` connects it"
            )
        if len(named) > 1:
            raise Trouble(f"say which with --name: {', '.join(each.name for each in named)}")
        return named[0]

    async def until_registered(self, account: GatewayAccount, *, wait_s: float) -> str:
        """Wait until the provider knows our webhook address; return why it does not, or nothing."""

        async def look(tx: Tx, _now: datetime) -> tuple[bool, str, GatewayAccount]:
            return *await gateways.connection_state(tx, account_id=account.id), await gateways.one(
                tx, account_id=account.id
            )

        ends = self.office.clock.monotonic() + wait_s
        while True:
            is_waiting, reason, fresh = await self.office.of(self.tenant, look)
            if not is_waiting:
                return "" if fresh.registered_at else reason
            if self.office.clock.monotonic() > ends:
                return reason or "no worker took it up: does `guilder up`, or `guilder work`, run?"
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, account: GatewayAccount) -> list[Finding]:
        """Look at a connected account and its webhook."""
        opened = await self._open(account)
        credentials = credentials_of(opened, now=self.office.clock.now())
        if is_forwarded(account, self.url(account)):
            # The provider's own tool brings the notices: there is no webhook to look for.
            return await self.gateway.check(credentials, webhook_url="")
        found = await self.gateway.check(credentials, webhook_url=self.url(account))
        if all(each.is_ok for each in found) or account.settings.get("webhook_id"):
            return found
        bare = await self.gateway.check(credentials, webhook_url=self.bare_url)
        return min(found, bare, key=lambda each: sum(not one.is_ok for one in each))

    async def listen(self, account: GatewayAccount, *, wait_s: float) -> Finding | None:
        """Have a notice sent, and wait until it came, rightly signed; None where the provider sends none."""
        opened, url = await self._open(account), self.url(account)
        credentials, clock = credentials_of(opened, now=self.office.clock.now()), self.office.clock
        answers = await answers_as_guilder(url)
        before = await self._heard(account)
        ends = clock.monotonic() + (wait_s if answers else min(wait_s, UNANSWERED_S))
        while clock.monotonic() < ends:
            try:
                if not await self.gateway.send_test_notice(credentials):
                    return None
            except (CallFailed, CredentialsRefused) as error:
                return Finding(what="a test notice was sent", is_ok=False, advice=error.reason)
            again = min(ends, clock.monotonic() + RING_EVERY_S)
            while clock.monotonic() < again:
                if await self._heard(account) > before:
                    return Finding(what="a test notice arrived, rightly signed", is_ok=True)
                await asyncio.sleep(LOOK_EVERY_S)
        return Finding(what="a test notice arrived", is_ok=False, advice=_unheard(account, url, answers=answers))

    def url(self, account: GatewayAccount) -> str:
        return f"{self.bare_url}/{account.endpoint_id}"

    @property
    def bare_url(self) -> str:
        return f"{self.office.settings.base_url}/api/webhooks/{self.gateway.name}"

    async def _open(self, account: GatewayAccount) -> OpenAccount:
        opened = await self.office.of(self.tenant, lambda tx, _now: gateways.open_accounts(tx))
        return next(each for each in opened if each.account.id == account.id)

    async def _heard(self, account: GatewayAccount) -> int:
        return await self.office.of(self.tenant, lambda tx, _now: gateways.notices_of(tx, account_id=account.id))


def refuse_other_mode(mode: str, tenant: Tenant) -> None:
    """Refuse a key of another kind than the tenant.

    :raises Trouble: it is
    """
    if tenant.mode is Mode.LIVE and mode == "test":
        raise Trouble(
            f"this is a test key, and the tenant {tenant.slug} is live: no money would move; take the live key"
        )
    if tenant.mode is not Mode.LIVE and mode == "live":
        raise Trouble(
            f"this key moves money, and the tenant {tenant.slug} is not live: take the test key, "
            "or found a live tenant: guilder tenant create NAME --live"
        )


def is_public(url: str) -> bool:
    """Say whether a provider out there could reach this address, as far as the address tells."""
    try:
        OutboundPolicy().check(url)
    except UnsafeUrl:
        return False
    return True


def is_forwarded(account: GatewayAccount, url: str) -> bool:
    """Say whether somebody else's tool brings this account's notices here: nothing was registered, nor could be."""
    return not account.settings.get("webhook_id") and not is_public(url)


async def answers_as_guilder(url: str) -> bool:
    """Knock at a webhook address: Guilder refuses what is not signed, by name."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_TIMEOUT_S) as client:
            answer = await client.post(url, content=b"{}")
        said = msgspec.json.decode(answer.content, type=dict[str, object])
    except (httpx.HTTPError, msgspec.DecodeError, ValueError):
        return False
    return said.get("code") == "webhook_refused"


def _unheard(account: GatewayAccount, url: str, *, answers: bool) -> str:
    if not answers:
        return (
            f"Guilder does not answer at {url}. Start it (`guilder up`), look at PUBLIC_URL and at the tunnel or proxy "
            "in front of it, then check again with --check."
        )
    if is_forwarded(account, url):
        return (
            f"Is `stripe listen --forward-to {url}` running, and is the secret the one that it prints? "
            "Then check again with --check."
        )
    return (
        f"Guilder answers at {url} from here, and not what the provider sent: it may not be reachable from outside, "
        "or the signing secret is another endpoint's. The provider's dashboard shows how its deliveries were answered."
    )
