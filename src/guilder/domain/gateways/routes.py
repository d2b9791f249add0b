"""Gateways over HTTP: the tenant's accounts, and the address that providers' webhooks come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
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
from guilder.kernel.errors import Conflict, Invalid, Malformed, Unauthenticated, Unavailable
from guilder.kernel.ids import Ref
from guilder.platform import tracing
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database
from guilder.platform.db.gathering import Size
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visit, Visiting
from guilder.platform.outside.intents import CallFailed

NOTICE_MAX = 1_000_000
SIMULATED = "simulated"
# Webhooks that arrive together: looked up by their address, verified each by itself, and kept together.
ADDRESSES = Size(group=1_000, at_once=2, waiting=10_000)
NOTICES = Size(group=200, at_once=2, waiting=2_000)

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


@dataclass(frozen=True, slots=True)
class _Verified:
    """A webhook that is to be kept."""

    visit: Visit
    account: GatewayAccount
    notice: Notice
    body: bytes


async def _receive(visit: Visit, request: Request, name: str, endpoint_id: UUID | None) -> Envelope[dict[str, bool]]:
    gateway = _gateways(request).get(name)
    if gateway is None:
        raise NoticeRefused
    body = await request.body()
    address = (name, endpoint_id)
    opening = visit.gatherings.of("gateways.addresses", partial(_open_address, visit.database), ADDRESSES)
    opened = await opening.give(address, key=address)
    if opened is None:
        raise NoticeRefused
    notice = await _verified(gateway, request, body, opened, visit)
    keeping = visit.gatherings.of("gateways.notices", partial(_keep, visit.database, visit.clocks), NOTICES)
    account = opened.account
    # Written beside others', in no request's own span: what it belongs to is said here.
    tracing.linked(await keeping.give(_Verified(visit, account, notice, body), key=(account.tenant_id, account.id)))
    return ok({"received": True})


async def _open_address(database: Database, same: Sequence[tuple[str, UUID | None]]) -> list[OpenAccount | None]:
    """Open the account of an address, once for all who wait for it: none is answered with what was so before it came."""
    name, endpoint_id = same[0]
    async with database.transaction(actor="webhook") as tx:
        found = await service.find_endpoint(tx, gateway=name, endpoint_id=endpoint_id)
        opened = None
        if found is not None:
            await tx.narrow({found.tenant_id})
            opened = await _opened(tx, found, name)
    return [opened] * len(same)


async def _opened(tx: Tx, account: Ref, gateway: str) -> OpenAccount | None:
    try:
        return await service.open_endpoint(tx, account=account, gateway=gateway)
    except BadNotice:
        return None


async def _verified(gateway: Gateway, request: Request, body: bytes, opened: OpenAccount, visit: Visit) -> Notice:
    # Outside any transaction: one provider's certificate has to be fetched.
    try:
        return await gateway.read_notice(
            request.headers, body, secret=opened.endpoint_secret, settings=opened.account.settings, now=visit.now
        )
    except BadNotice as error:
        raise NoticeRefused from error
    except UnreadableNotice as error:
        raise NoticeUnreadable from error
    except CallFailed as error:
        raise CannotVerify from error


async def _keep(database: Database, clocks: TenantClocks, group: Sequence[_Verified]) -> list[str | None]:
    """Keep webhooks of one account, in one transaction; return the trace that each belongs to."""
    first = group[0]
    tenant_id = first.account.tenant_id

    async def work(tx: Tx) -> list[str | None]:
        [domain] = await clocks.domains(tx, [tenant_id])
        notices = [(each.notice, each.body) for each in group]
        received = await service.receive_notices(
            tx,
            account=first.account,
            notices=notices,
            request_ids=[each.visit.request_id for each in group],
            now=domain.now,
        )
        for each, (is_told, _) in zip(group, received, strict=True):
            if is_told:
                await each.visit.tell(tx, domain.now)
        return [trace for _, trace in received]

    return await database.run(
        work,
        [tenant_id],
        actor=f"webhook:{first.account.gateway}",
        request_id=first.visit.request_id,
        traceparent=next((each.visit.traceparent for each in group if each.visit.traceparent), None),
    )


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
