"""Gateways over HTTP: the tenant's accounts, and the address that providers' webhooks come to."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request

from guilder.domain.gateways import service
from guilder.domain.gateways.model import GatewayAccount, Health, Notice, OpenAccount
from guilder.domain.gateways.port import BadNotice, Gateway, UnreadableNotice
from guilder.domain.gateways.schemas import (
    AccountRef,
    GatewayHealthOut,
    GatewayIn,
    GatewayKeyIn,
    GatewayOut,
    PaceIn,
    PaceOut,
    health_to_wire,
    pace_to_wire,
    to_wire,
)
from guilder.kernel.errors import Conflict, Invalid, Malformed, Refusal, Unauthenticated, Unavailable
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform import tracing
from guilder.platform.db.clocks import TenantClocks, now_of
from guilder.platform.db.database import Database
from guilder.platform.db.gathering import Size
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visit, Visiting, tell_together
from guilder.platform.outside.intents import CallFailed

NOTICE_MAX = 1_000_000
SIMULATED = "simulated"
# Webhooks that come to one address while others are written: their address is opened once, each is verified by itself, and
# they are kept together. A large one weighs more, so that no group takes long to be read.
NOTICES = Size(group=200, at_once=2, waiting=20_000)
BYTES_A_WEIGHT = 10_000
# Of so many addresses it is remembered whose they are.
ADDRESSES_MAX = 10_000

router = Router(prefix="/api", tags=["gateways"])


class NoticeRefused(Unauthenticated):
    """This webhook is not signed by whoever has this address's secret."""

    code = "webhook_refused"


class SimulatedMovesNoMoney(Conflict):
    """A live tenant cannot charge at the simulated provider: no money moves there."""

    code = "simulated_moves_no_money"


class BadKey(Invalid):
    """This is no key of this provider's."""

    code = "bad_gateway_key"


class TestKeyMovesNoMoney(Conflict):
    """A live tenant cannot charge with a provider's test key: no money moves there."""

    code = "test_key_moves_no_money"


class LiveKeyMovesMoney(Conflict):
    """Only a live tenant may charge with a provider's live key: it moves money."""

    code = "live_key_moves_money"


class CannotVerify(Unavailable):
    """What this webhook is verified by could not be had: send it again later."""

    code = "webhook_not_verifiable"


class NoticeUnreadable(Malformed):
    """This webhook cannot be read."""

    code = "webhook_unreadable"


@router.get("/gateways")
async def list_gateways(session: Session) -> Envelope[list[GatewayOut]]:
    """List the tenant's accounts at payment providers."""
    return ok([to_wire(account) for account in await service.accounts(session.tx)])


@router.post("/gateways", status_code=201)
async def connect_gateway(session: Session, request: Request, body: GatewayIn) -> Envelope[GatewayOut]:
    """Connect an account; our webhook address is registered there by itself."""
    gateway = _gateway(request, body.gateway)
    settings = _settings(gateway, body.secret_key, body.settings, is_live=session.principal.mode == "live")
    made = await service.connect(
        session.tx,
        gateway=gateway.name,
        name=body.name,
        secret_key=body.secret_key,
        is_default=body.is_default,
        provider_account=gateway.account_of(body.secret_key),
        settings=settings,
        now=session.now,
    )
    return ok(to_wire(made))


@router.post("/gateways/{account_id}/key")
async def renew_key(
    session: Session, request: Request, account_id: AccountRef, body: GatewayKeyIn
) -> Envelope[GatewayOut]:
    """Use another key of the account from now on."""
    account = await service.one(session.tx, account_id=account_id)
    gateway = _gateway(request, account.gateway)
    settings = _settings(
        gateway, body.secret_key, {**account.settings, **body.settings}, is_live=session.principal.mode == "live"
    )
    renewed = await service.renew_secret(
        session.tx,
        account_id=account_id,
        secret_key=body.secret_key,
        provider_account=gateway.account_of(body.secret_key) or account.provider_account,
        settings=settings,
        now=session.now,
    )
    return ok(to_wire(renewed))


@router.get("/gateways/{account_id}/pace")
async def get_pace(session: Session, account_id: AccountRef) -> Envelope[PaceOut]:
    """Return how fast this account is called, and whether its provider asked to be spared."""
    return ok(pace_to_wire(await service.pace(session.tx, account_id=account_id)))


@router.put("/gateways/{account_id}/pace")
async def set_pace(session: Session, account_id: AccountRef, body: PaceIn) -> Envelope[PaceOut]:
    """Call this account no faster than its provider allows; every process keeps to it."""
    found = await service.set_pace(session.tx, account_id=account_id, calls_per_second=body.calls_per_second)
    return ok(pace_to_wire(found))


@router.post("/gateways/{account_id}/default")
async def make_default(session: Session, account_id: AccountRef) -> Envelope[GatewayOut]:
    """Charge there where no route and no saved method says otherwise."""
    return ok(to_wire(await service.make_default(session.tx, account_id=account_id)))


@router.post("/gateways/{account_id}/read-books", status_code=202)
async def read_books(session: Session, account_id: AccountRef) -> Envelope[GatewayOut]:
    """Have the provider's own books read now; a sandbox's are read at no other time. `GET /api/settlements` shows them."""
    account = await service.one(session.tx, account_id=account_id)
    await service.read_books(session.tx, accounts=[account], now=session.now)
    return ok(to_wire(account))


@router.delete("/gateways/{account_id}")
async def retire_gateway(session: Session, account_id: AccountRef) -> Envelope[GatewayOut]:
    """Charge there no more. What was asked of it is still looked up, and its webhooks are heard."""
    return ok(to_wire(await service.retire(session.tx, account_id=account_id)))


@router.get("/gateways/health")
async def get_health(
    session: Session, hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24
) -> Envelope[list[GatewayHealthOut]]:
    """Show how calls to each account ended lately, and which accounts are down."""
    found = await service.health(session.tx, since=session.now - timedelta(hours=hours))
    accounts = await service.accounts(session.tx)
    return ok([health_to_wire(each, found.get(each.id, Health()), now=session.now) for each in accounts])


# A provider tells all that happens from a few addresses: it is not counted, its signature guards these.
@router.post("/webhooks/{gateway}", raw_body=True, body_max=NOTICE_MAX, cost=0, include_in_schema=True)
async def receive_bare(visit: Visiting, request: Request, gateway: str) -> Envelope[dict[str, bool]]:
    """Take a webhook of the installation's own account in."""
    return await _receive(visit, request, gateway, None)


@router.post("/webhooks/{gateway}/{endpoint_id}", raw_body=True, body_max=NOTICE_MAX, cost=0, is_direct=True)
async def receive(visit: Visiting, request: Request, gateway: str, endpoint_id: str) -> Envelope[dict[str, bool]]:
    """Take a provider's webhook in: kept, and answered when that is committed."""
    try:
        endpoint = UUID(endpoint_id)
    except ValueError as error:
        raise NoticeRefused from error
    return await _receive(visit, request, gateway, endpoint)


# Said of every webhook that was taken in.
_RECEIVED = ok({"received": True})

# What becomes of a webhook: kept, and the trace that it belongs to, if any; or why it is not.
_Fate = str | Refusal | None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A webhook as it came; `notice` is what it says, where that had to be found out ahead."""

    visit: Visit
    gateway: Gateway
    endpoint_id: UUID | None
    headers: Mapping[str, str]
    body: bytes
    notice: Notice | None = None


async def _receive(visit: Visit, request: Request, name: str, endpoint_id: UUID | None) -> Envelope[dict[str, bool]]:
    gateway = _gateways(request).get(name)
    if gateway is None:
        raise NoticeRefused
    sent = _Sent(visit, gateway, endpoint_id, request.headers, await request.body())
    if not gateway.verifies_alone:
        sent = replace(sent, notice=await _fetched_and_read(sent))
    gathering = visit.gatherings.of("gateways.notices", lambda: _Intake(visit.database, visit.clocks), NOTICES)
    taken = await gathering.give(sent, key=(name, endpoint_id), weight=1 + len(sent.body) // BYTES_A_WEIGHT)
    if isinstance(taken, Refusal):
        raise taken
    # Written beside others', in no request's own span: what it belongs to is said here.
    tracing.linked(taken)
    return _RECEIVED


async def _fetched_and_read(sent: _Sent) -> Notice:
    """Read a webhook outside any transaction: what it is verified by may have to be fetched."""
    async with sent.visit.database.transaction(actor="webhook") as tx:
        opened = await _opened(tx, sent)
    read = NoticeRefused() if opened is None else await _read(sent, opened)
    if isinstance(read, Refusal):
        raise read
    return read


@dataclass(frozen=True, slots=True)
class _Intake:
    """Takes webhooks in that came to one address, in one transaction: opens the address, verifies each and keeps what is right.

    Whose an address is never changes, and is remembered; all else is read anew, so that nothing is taken by what was so
    before it came.
    """

    database: Database
    clocks: TenantClocks
    _whose: OrderedDict[UUID, Ref] = field(default_factory=OrderedDict)

    async def __call__(self, group: Sequence[_Sent]) -> Sequence[_Fate]:
        """Return the trace that each belongs to, or why it is not taken."""
        first = group[0]
        address = first.endpoint_id
        known = None if address is None else self._whose.pop(address, None)

        async def work(tx: Tx) -> tuple[Ref | None, Sequence[_Fate]]:
            opened = await _opened(tx, first, known)
            if opened is None:
                return None, [NoticeRefused() for _ in group]
            read = [each.notice or await _read(each, opened) for each in group]
            right = [(sent, each) for sent, each in zip(group, read, strict=True) if isinstance(each, Notice)]
            traces = iter(await _keep(tx, self.clocks, opened.account, right))
            account = Ref(opened.account.tenant_id, opened.account.id)
            return account, [each if isinstance(each, Refusal) else next(traces) for each in read]

        found, fates = await self.database.run(
            work,
            [known.tenant_id] if known else [],
            actor=f"webhook:{first.gateway.name}",
            request_id=first.visit.request_id,
            traceparent=next((each.visit.traceparent for each in group if each.visit.traceparent), None),
        )
        if found is not None and address is not None:
            self._whose[address] = found
            while len(self._whose) > ADDRESSES_MAX:
                self._whose.popitem(last=False)
        return fates


async def _opened(tx: Tx, sent: _Sent, known: Ref | None = None) -> OpenAccount | None:
    """Open the account of an address, and see its tenant from here on; None where nothing can be verified there.

    `known` is whose address it was before, and then the transaction is that tenant's.
    """
    found = known or await service.find_endpoint(tx, gateway=sent.gateway.name, endpoint_id=sent.endpoint_id)
    if found is None:
        return None
    if known is None:
        await tx.narrow({found.tenant_id})
    try:
        return await service.open_endpoint(tx, account=found, gateway=sent.gateway.name, endpoint_id=sent.endpoint_id)
    except BadNotice:
        return None


async def _read(sent: _Sent, opened: OpenAccount) -> Notice | Refusal:
    try:
        return await sent.gateway.read_notice(
            sent.headers,
            sent.body,
            secret=opened.endpoint_secret,
            settings=opened.account.settings,
            now=sent.visit.now,
        )
    except BadNotice:
        return NoticeRefused()
    except UnreadableNotice:
        return NoticeUnreadable()
    except CallFailed:
        return CannotVerify()


async def _keep(
    tx: Tx, clocks: TenantClocks, account: GatewayAccount, verified: Sequence[tuple[_Sent, Notice]]
) -> list[str | None]:
    """Keep webhooks of one account; return the trace that each belongs to."""
    if not verified:
        return []
    now = await now_of(clocks, tx, may_be_sandbox=account.is_on_own_clock)
    received = await service.receive_notices(
        tx,
        account=account,
        notices=[(notice, sent.body) for sent, notice in verified],
        request_ids=[sent.visit.request_id for sent, _ in verified],
        now=now,
    )
    told = zip(verified, received, strict=True)
    await tell_together(tx, [sent.visit for (sent, _), (is_told, _) in told if is_told], now)
    return [trace for _, trace in received]


def _settings(gateway: Gateway, secret_key: str, settings: Mapping[str, str], *, is_live: bool) -> dict[str, str]:
    """Return what is kept beside the key; refuse a key of another kind than the tenant's."""
    try:
        mode = gateway.mode_of(secret_key, settings)
    except ValueError as error:
        raise BadKey(str(error), field="secret_key") from error
    if is_live and mode == "test":
        raise SimulatedMovesNoMoney if gateway.name == SIMULATED else TestKeyMovesNoMoney
    if not is_live and mode == "live":
        raise LiveKeyMovesMoney
    return {**settings, **({"mode": mode} if mode else {})}


def _gateways(request: Request) -> Mapping[str, Gateway]:
    found: Mapping[str, Gateway] = request.app.state.gateways
    return found


def _gateway(request: Request, name: str) -> Gateway:
    gateway = _gateways(request).get(name)
    if gateway is None:
        raise service.UnknownGateway(f"there are: {', '.join(sorted(_gateways(request)))}", field="gateway")
    return gateway
