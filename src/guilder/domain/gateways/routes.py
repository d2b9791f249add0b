"""Gateways over HTTP: the tenant's accounts, and the address that providers' webhooks come to."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import Request

from guilder.domain.gateways import service
from guilder.domain.gateways.port import BadNotice, Gateway, UnreadableNotice
from guilder.domain.gateways.schemas import AccountRef, GatewayIn, GatewayKeyIn, GatewayOut, to_wire
from guilder.kernel.errors import Conflict, Malformed, Unauthenticated
from guilder.platform.auth.permission import PUBLIC, Permission
from guilder.platform.auth.principal import Role
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session, Visit, Visiting

READ = Permission("gateways:read")
WRITE = Permission("gateways:write", tenant=Role.ADMIN)
NOTICE_MAX = 1_000_000
SIMULATED = "simulated"

router = Router(prefix="/api", tags=["gateways"])


class NoticeRefused(Unauthenticated):
    """This webhook is not signed by whoever has this address's secret."""

    code = "webhook_refused"


class SimulatedMovesNoMoney(Conflict):
    """A live tenant cannot charge at the simulated provider: no money moves there."""

    code = "simulated_moves_no_money"


class NoticeUnreadable(Malformed):
    """This webhook cannot be read."""

    code = "webhook_unreadable"


@router.get("/gateways", permission=READ)
async def list_gateways(session: Session) -> Envelope[list[GatewayOut]]:
    """List the tenant's accounts at payment providers."""
    return ok([to_wire(account) for account in await service.accounts(session.tx)])


@router.post("/gateways", permission=WRITE, status_code=201)
async def connect_gateway(session: Session, request: Request, body: GatewayIn) -> Envelope[GatewayOut]:
    """Connect an account; our webhook address is registered there by itself."""
    gateway = _gateway(request, body.gateway)
    if gateway.name == SIMULATED and session.principal.mode == "live":
        raise SimulatedMovesNoMoney
    made = await service.connect(
        session.tx,
        gateway=gateway.name,
        name=body.name,
        secret_key=body.secret_key,
        is_default=body.is_default,
        provider_account=gateway.account_of(body.secret_key),
        now=session.now,
    )
    return ok(to_wire(made))


@router.post("/gateways/{account_id}/key", permission=WRITE)
async def renew_key(
    session: Session, request: Request, account_id: AccountRef, body: GatewayKeyIn
) -> Envelope[GatewayOut]:
    """Use another key of the account from now on."""
    account = await service.one(session.tx, account_id=account_id)
    renewed = await service.renew_secret(
        session.tx,
        account_id=account_id,
        secret_key=body.secret_key,
        provider_account=_gateway(request, account.gateway).account_of(body.secret_key),
        now=session.now,
    )
    return ok(to_wire(renewed))


# A provider tells all that happens from a few addresses: it is not counted, its signature guards these.
@router.post(
    "/webhooks/{gateway}", permission=PUBLIC, raw_body=True, body_max=NOTICE_MAX, cost=0, include_in_schema=True
)
async def receive_bare(visit: Visiting, request: Request, gateway: str) -> Envelope[dict[str, bool]]:
    """Take a webhook of the installation's own account in."""
    return await _receive(visit, request, gateway, None)


@router.post("/webhooks/{gateway}/{endpoint_id}", permission=PUBLIC, raw_body=True, body_max=NOTICE_MAX, cost=0)
async def receive(visit: Visiting, request: Request, gateway: str, endpoint_id: str) -> Envelope[dict[str, bool]]:
    """Take a provider's webhook in: kept, and answered when that is committed."""
    try:
        endpoint = UUID(endpoint_id)
    except ValueError as error:
        raise NoticeRefused from error
    return await _receive(visit, request, gateway, endpoint)


async def _receive(visit: Visit, request: Request, name: str, endpoint_id: UUID | None) -> Envelope[dict[str, bool]]:
    gateway = _gateways(request).get(name)
    if gateway is None:
        raise NoticeRefused
    body = await request.body()

    async with visit.database.transaction(actor="webhook", request_id=visit.request_id) as tx:
        account = await service.find_endpoint(tx, gateway=name, endpoint_id=endpoint_id)
    if account is None:
        raise NoticeRefused

    async def work(tx: Tx) -> None:
        [domain] = await visit.clocks.domains(tx, [account.tenant_id])
        await service.receive_notice(
            tx, gateway=gateway, account=account, headers=request.headers, body=body, wall=visit.now, now=domain.now
        )

    try:
        await visit.database.run(
            work,
            [account.tenant_id],
            actor=f"webhook:{name}",
            request_id=visit.request_id,
            traceparent=visit.traceparent,
        )
    except BadNotice as error:
        raise NoticeRefused from error
    except UnreadableNotice as error:
        raise NoticeUnreadable from error
    return ok({"received": True})


def _gateways(request: Request) -> Mapping[str, Gateway]:
    found: Mapping[str, Gateway] = request.app.state.gateways
    return found


def _gateway(request: Request, name: str) -> Gateway:
    gateway = _gateways(request).get(name)
    if gateway is None:
        raise service.UnknownGateway(f"there are: {', '.join(sorted(_gateways(request)))}", field="gateway")
    return gateway
