"""What providers report: mail that bounced or was called spam, and what became of texts.

Mail providers differ, so theirs is one small JSON: {"type": "bounce" | "complaint", "recipient", "message_id", "reason"},
with Guilder-Signature: sha256=<HMAC-SHA256 of the body by the endpoint's secret, in hexadecimal digits>.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError

from guilder.domain.notifications import service
from guilder.domain.notifications.model import Endpoint, EndpointKind
from guilder.domain.notifications.rules import signatures
from guilder.domain.notifications.schemas import ReportIn
from guilder.kernel.errors import Malformed, Unauthenticated
from guilder.platform.db.tx import Tx
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Visit, Visiting

REPORT_MAX = 20_000
FIELDS_MAX = 60

router = Router(prefix="/api/webhooks", tags=["notifications"])


class ReportRefused(Unauthenticated):
    """This report is not signed by whoever has this address's secret."""

    code = "webhook_refused"


class ReportUnreadable(Malformed):
    """This report cannot be read."""

    code = "webhook_unreadable"


@router.post("/mail/{endpoint_id}", raw_body=True, body_max=REPORT_MAX, cost=0)
async def receive_mail(visit: Visiting, request: Request, endpoint_id: str) -> Envelope[dict[str, bool]]:
    """Take in that a mail bounced, or was called spam: nothing more is sent to that address."""
    body = await request.body()
    given = request.headers.get("guilder-signature", "")

    async def work(tx: Tx, endpoint: Endpoint, now: datetime) -> None:
        if not signatures.is_mail(given, body, endpoint.secret):
            raise ReportRefused
        try:
            report = ReportIn.model_validate_json(body)
        except ValidationError as error:
            raise ReportUnreadable from error
        await service.reported_by_mail(tx, report=report.to_model(), now=now)

    return await _received(visit, EndpointKind.MAIL, endpoint_id, work)


@router.post("/twilio/{endpoint_id}", raw_body=True, body_max=REPORT_MAX, cost=0)
async def receive_twilio(visit: Visiting, request: Request, endpoint_id: str) -> Envelope[dict[str, bool]]:
    """Take in what became of a text, as Twilio's status callbacks say it."""
    body = await request.body()
    given = request.headers.get("x-twilio-signature", "")
    query = f"?{request.url.query}" if request.url.query else ""
    # As Twilio was given it: behind a proxy, the address that reached us is another one.
    url = f"{visit.base_url.rstrip('/')}{request.url.path}{query}"

    async def work(tx: Tx, endpoint: Endpoint, now: datetime) -> None:
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
        except ValueError as error:
            raise ReportUnreadable from error
        if not signatures.is_twilio(given, url, form, endpoint.secret):
            raise ReportRefused
        await service.reported_by_twilio(tx, form=form, now=now)

    return await _received(visit, EndpointKind.TWILIO, endpoint_id, work)


async def _received(
    visit: Visit, kind: EndpointKind, text: str, work: Callable[[Tx, Endpoint, datetime], Awaitable[None]]
) -> Envelope[dict[str, bool]]:
    try:
        endpoint_id = UUID(text)
    except ValueError as error:
        raise ReportRefused from error
    async with visit.database.transaction(actor="webhook", request_id=visit.request_id) as tx:
        whose = await service.find_endpoint(tx, kind=kind, endpoint_id=endpoint_id)
    if whose is None:
        raise ReportRefused

    async def once(tx: Tx) -> None:
        endpoint = await service.endpoint_of(tx, endpoint_id=endpoint_id)
        if endpoint is None:
            raise ReportRefused
        [domain] = await visit.clocks.domains(tx, [whose.tenant_id])
        await work(tx, endpoint, domain.now)

    await visit.database.run(
        once,
        [whose.tenant_id],
        actor=f"webhook:{kind.value}",
        request_id=visit.request_id,
        traceparent=visit.traceparent,
    )
    return ok({"received": True})
