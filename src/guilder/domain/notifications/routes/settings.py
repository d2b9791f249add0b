"""What customers wish to hear, what a tenant may send and in which words, and where providers report to."""

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from guilder.domain.customers import service as customers
from guilder.domain.identity import service as identity
from guilder.domain.notifications import service
from guilder.domain.notifications.model import Channel, Kind
from guilder.domain.notifications.rules.examples import data_for
from guilder.domain.notifications.schemas import (
    EndpointIn,
    EndpointMade,
    EndpointOut,
    LimitsIn,
    LimitsOut,
    PreferencesIn,
    PreferencesOut,
    PreviewOut,
    TemplateIn,
    TemplateOut,
    endpoint_to_wire,
    limits_to_wire,
    made_to_wire,
    preferences_to_wire,
    preview_to_wire,
    template_to_wire,
)
from guilder.platform.http.envelope import Envelope, ok
from guilder.platform.http.router import Router
from guilder.platform.http.session import Session

CustomerPath = Annotated[str, Path(max_length=255, description="`cus_…`, or the organization id.")]
LanguagePath = Annotated[str, Path(pattern=r"^[a-z]{2}$", description="Two letters: `en`, `de`.")]

router = Router(prefix="/api", tags=["notifications"])


@router.get("/customers/{customer}/notification-preferences")
async def get_preferences(session: Session, customer: CustomerPath) -> Envelope[PreferencesOut]:
    """Say what a customer wishes to hear, and whether its addresses take anything."""
    reader = await customers.find(session.tx, text=customer, only=session.customer_filter)
    wishes = await service.preferences(session.tx, customer_id=reader.id)
    return ok(preferences_to_wire(wishes, await service.bounces_of(session.tx, reader=reader)))


@router.put("/customers/{customer}/notification-preferences")
async def set_preferences(session: Session, customer: CustomerPath, body: PreferencesIn) -> Envelope[PreferencesOut]:
    """Set what a customer wishes to hear. What concerns its money and its access is told in any case, by e-mail."""
    reader = await customers.find(session.tx, text=customer, only=session.customer_filter)
    wishes = body.to_model(session.tenant_id, reader.id)
    kept = await service.set_preferences(session.tx, wishes=wishes, now=session.now)
    return ok(preferences_to_wire(kept, await service.bounces_of(session.tx, reader=reader)))


@router.delete("/customers/{customer}/notification-bounces", status_code=204)
async def clear_bounce(
    session: Session, customer: CustomerPath, channel: Annotated[Channel, Query()] = Channel.EMAIL
) -> Response:
    """Send to a customer's address again, although it took nothing."""
    reader = await customers.find(session.tx, text=customer)
    await service.clear_bounce(session.tx, customer_id=reader.id, channel=channel, now=session.now)
    return Response(status_code=204)


@router.get("/notification-limits")
async def get_limits(session: Session) -> Envelope[LimitsOut]:
    """Say what the tenant may send a day and a month (UTC), and what it has sent."""
    return ok(limits_to_wire(await service.limits(session.tx), await service.spent(session.tx, now=session.now)))


@router.put("/notification-limits")
async def set_limits(session: Session, body: LimitsIn) -> Envelope[LimitsOut]:
    """Limit what the tenant sends; null is no limit. What customers may switch off stops at 80 % of each."""
    kept = await service.set_limits(session.tx, limits=body.to_model(session.tenant_id), now=session.now)
    return ok(limits_to_wire(kept, await service.spent(session.tx, now=session.now)))


@router.get("/notification-endpoints")
async def list_endpoints(session: Session) -> Envelope[list[EndpointOut]]:
    """List where providers may report bounces, complaints and the fate of texts to."""
    return ok([endpoint_to_wire(each, session.base_url) for each in await service.endpoints(session.tx)])


@router.post("/notification-endpoints", status_code=201)
async def make_endpoint(session: Session, body: EndpointIn) -> Envelope[EndpointMade]:
    """Make an address for reports, in the place of the one of that kind. The secret of a mail address is shown once."""
    made = await service.make_endpoint(session.tx, kind=body.kind, secret=body.auth_token or "", now=session.now)
    return ok(made_to_wire(made, session.base_url))


@router.get("/notification-templates")
async def list_templates(session: Session) -> Envelope[list[TemplateOut]]:
    """List the messages that are said in the tenant's own words."""
    return ok([template_to_wire(each) for each in await service.own_words(session.tx)])


@router.get("/notification-templates/{kind}/{language}")
async def get_template(session: Session, kind: Kind, language: LanguagePath) -> Envelope[TemplateOut]:
    for each in await service.own_words(session.tx):
        if (each.kind, each.language) == (kind, language):
            return ok(template_to_wire(each))
    raise service.NoOwnWords


@router.put("/notification-templates/{kind}/{language}")
async def set_template(session: Session, kind: Kind, language: LanguagePath, body: TemplateIn) -> Envelope[TemplateOut]:
    """Say this kind of message in your own words: text, `{{ data }}` and `{% if data %}`, and nothing else."""
    own = body.to_model(session.tenant_id, kind, language)
    return ok(template_to_wire(await service.set_words(session.tx, own=own, now=session.now)))


@router.delete("/notification-templates/{kind}/{language}", status_code=204)
async def drop_template(session: Session, kind: Kind, language: LanguagePath) -> Response:
    """Say it in the words that come with Guilder again."""
    await service.drop_words(session.tx, kind=kind, language=language)
    return Response(status_code=204)


@router.post("/notification-templates/{kind}/{language}/preview")
async def preview_template(
    session: Session, kind: Kind, language: LanguagePath, body: TemplateIn
) -> Envelope[PreviewOut]:
    """Show a message in these words, with example data. Nothing is kept."""
    issuer = (await identity.issuer(session.tx, tenant_ids=[session.tenant_id]))[session.tenant_id]
    own = body.to_model(session.tenant_id, kind, language)
    data = data_for(service.TEMPLATES.names_of(kind.value))
    brand = service.brand_of(issuer, own.language)
    return ok(preview_to_wire(service.preview(own=own, data=data, brand=brand)))
