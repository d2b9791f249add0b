"""Where OIDC issuers say that somebody has signed out (OpenID Connect Back-Channel Logout 1.0)."""

from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from guilder.domain.identity import service as identity
from guilder.kernel.errors import Malformed
from guilder.platform.db.tx import Tx
from guilder.platform.http.edge import Edge
from guilder.platform.http.router import Router
from guilder.platform.http.session import Visiting

TOKEN_MAX = 20_000
FIELDS_MAX = 10

router = Router(tags=["identity"])


class LogoutRefused(Malformed):
    """This is no logout token that counts here."""

    code = "logout_refused"


# Counted by address like every public call: what is forged costs a signature's verification.
@router.post("/api/webhooks/oidc/{trust_id}", raw_body=True, body_max=TOKEN_MAX)
async def receive_logout(visit: Visiting, request: Request, trust_id: str) -> Response:
    """Take a logout token in, as the form field `logout_token`: the tokens and sessions that it names count no more."""
    edge = request.app.state.edge
    assert isinstance(edge, Edge)
    assert isinstance(edge.authenticate, identity.Authentication), (
        "tokens are verified by identity's own authentication"
    )
    token = _token(await request.body())
    try:
        named = UUID(trust_id)
    except ValueError as error:
        raise LogoutRefused from error
    async with visit.database.transaction(actor="webhook:oidc", request_id=visit.request_id) as tx:
        ref = await identity.find_notified(tx, trust_id=named)
        if ref is None:
            raise LogoutRefused
        await tx.narrow({ref.tenant_id})
        trust = await identity.trust_that_logs_out(tx, trust=ref)
    if trust is None:
        raise LogoutRefused
    try:
        logout = await identity.verified_logout(edge.authenticate.verifiers, token, trust=trust, now=visit.now)
    except identity.NoLogout as error:
        raise LogoutRefused from error

    async def work(tx: Tx) -> None:
        [domain] = await visit.clocks.domains(tx, [ref.tenant_id])
        await identity.receive_logout(tx, trust=ref, logout=logout, token=token, wall=visit.now, now=domain.now)

    await visit.database.run(work, [ref.tenant_id], actor="webhook:oidc", request_id=visit.request_id)
    return Response(status_code=200, headers={"Cache-Control": "no-store"})


def _token(body: bytes) -> str:
    try:
        found = dict(parse_qsl(body.decode("ascii"), max_num_fields=FIELDS_MAX)).get("logout_token", "")
    except ValueError as error:
        raise LogoutRefused from error
    if not found:
        raise LogoutRefused
    return found
