"""What HTTP says and hears of notifications."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from guilder.domain.notifications.model import (
    Bounce,
    BounceKind,
    Ceiling,
    Channel,
    Endpoint,
    EndpointKind,
    Kind,
    Limits,
    Notification,
    OwnWords,
    Preferences,
    Report,
    Spent,
    Status,
)
from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.http.fields import CurrencyCode, Exact, IdOf, In, Out, Text
from guilder.platform.outside.templating import Rendered

COUNT_MAX = 1_000_000_000

NotificationRef = Annotated[UUID, IdOf("msg")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
InvoiceRef = Annotated[UUID, IdOf("inv")]
SubscriptionRef = Annotated[UUID, IdOf("sub")]


class NotificationOut(Out):
    """A message as a list shows it. `subject` is null until it was written, for SMS, and once its reader was erased."""

    id: NotificationRef
    customer_id: CustomerRef
    channel: Channel
    kind: Kind
    status: Status
    language: str
    subject: str | None
    invoice_id: InvoiceRef | None
    subscription_id: SubscriptionRef | None
    detail: str
    created_at: datetime
    sent_at: datetime | None
    bounced_at: datetime | None


class AttachedOut(Out):
    filename: str
    size_bytes: int


class NotificationWhole(NotificationOut):
    """A message with what it says: for staff from the role `billing` on, and for its own customer."""

    recipient: str | None
    text: str | None
    html: str | None
    attachments: list[AttachedOut]


def to_wire(each: Notification) -> NotificationOut:
    return NotificationOut(
        id=each.id,
        customer_id=each.customer_id,
        channel=each.channel,
        kind=each.kind,
        status=each.status,
        language=each.language,
        subject=each.content.subject or None if each.content else None,
        invoice_id=each.about.invoice_id,
        subscription_id=each.about.subscription_id,
        detail=each.detail,
        created_at=each.created_at,
        sent_at=each.sent_at,
        bounced_at=each.bounced_at,
    )


def whole_to_wire(each: Notification) -> NotificationWhole:
    content = each.content
    return NotificationWhole(
        **to_wire(each).model_dump(),
        recipient=content.recipient if content else None,
        text=content.text if content else None,
        html=content.html or None if content else None,
        attachments=[
            AttachedOut(filename=one.filename, size_bytes=one.size_bytes)
            for one in (content.attachments if content else ())
        ],
    )


Count = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]


class PreferencesIn(In):
    """What a customer wishes to hear; what is not given is wished for. `sms` is for texts of any sort."""

    reminders: bool = True
    renewal_notices: bool = True
    usage_alerts: bool = True
    sms: bool = True

    def to_model(self, tenant_id: TenantId, customer_id: CustomerId) -> Preferences:
        return Preferences(
            tenant_id=tenant_id,
            customer_id=customer_id,
            wants_reminders=self.reminders,
            wants_renewal_notices=self.renewal_notices,
            wants_usage_alerts=self.usage_alerts,
            wants_sms=self.sms,
        )


class BounceOut(Out):
    """Nothing is sent to the customer's present address on this channel, until it changes or staff clears it."""

    channel: Channel
    kind: BounceKind
    reason: str
    bounced_at: datetime


class PreferencesOut(Out):
    """`required` is what concerns money and access: it is always true."""

    customer_id: CustomerRef
    required: bool
    reminders: bool
    renewal_notices: bool
    usage_alerts: bool
    sms: bool
    bounces: list[BounceOut]


def preferences_to_wire(wishes: Preferences, bounces: Mapping[Channel, Bounce]) -> PreferencesOut:
    return PreferencesOut(
        customer_id=wishes.customer_id,
        required=True,
        reminders=wishes.wants_reminders,
        renewal_notices=wishes.wants_renewal_notices,
        usage_alerts=wishes.wants_usage_alerts,
        sms=wishes.wants_sms,
        bounces=[
            BounceOut(channel=each.channel, kind=each.kind, reason=each.reason, bounced_at=each.bounced_at)
            for each in bounces.values()
        ],
    )


class LimitsIn(In):
    """The most in a day and a month (UTC); null is no limit. Texts count by segments of about 160 letters.

    `segment_price` is in major units of `currency` and may be finer than a cent; the limits of cost are in minor units.
    """

    emails_per_day: Count | None = None
    emails_per_month: Count | None = None
    sms_segments_per_day: Count | None = None
    sms_segments_per_month: Count | None = None
    segment_price: Exact | None = None
    currency: CurrencyCode | None = None
    sms_cost_per_day: Count | None = None
    sms_cost_per_month: Count | None = None

    def to_model(self, tenant_id: TenantId) -> Limits:
        return Limits(
            tenant_id=tenant_id,
            emails=Ceiling(per_day=self.emails_per_day, per_month=self.emails_per_month),
            segments=Ceiling(per_day=self.sms_segments_per_day, per_month=self.sms_segments_per_month),
            cost=Ceiling(per_day=self.sms_cost_per_day, per_month=self.sms_cost_per_month),
            segment_price=self.segment_price,
            currency=self.currency or "",
        )


class SpentOut(Out):
    today: int
    this_month: int


class LimitsOut(Out):
    emails_per_day: int | None
    emails_per_month: int | None
    sms_segments_per_day: int | None
    sms_segments_per_month: int | None
    segment_price: str | None
    currency: str | None
    sms_cost_per_day: int | None
    sms_cost_per_month: int | None
    emails_sent: SpentOut
    sms_segments_sent: SpentOut


def limits_to_wire(limits: Limits, spent: Mapping[Channel, Spent]) -> LimitsOut:
    sent = {channel: SpentOut(today=each.today, this_month=each.this_month) for channel, each in spent.items()}
    return LimitsOut(
        emails_per_day=limits.emails.per_day,
        emails_per_month=limits.emails.per_month,
        sms_segments_per_day=limits.segments.per_day,
        sms_segments_per_month=limits.segments.per_month,
        segment_price=format(limits.segment_price, "f") if limits.segment_price is not None else None,
        currency=limits.currency or None,
        sms_cost_per_day=limits.cost.per_day,
        sms_cost_per_month=limits.cost.per_month,
        emails_sent=sent[Channel.EMAIL],
        sms_segments_sent=sent[Channel.SMS],
    )


class EndpointIn(In):
    """`auth_token`: Twilio's, of the account that the texts go through; Twilio signs its reports with it."""

    kind: EndpointKind
    auth_token: Annotated[str, Text(200)] | None = None


class EndpointOut(Out):
    kind: EndpointKind
    url: str
    created_at: datetime


class EndpointMade(EndpointOut):
    """`secret` signs the reports of a mail provider. It is not shown again."""

    secret: str | None


def endpoint_to_wire(each: Endpoint, base_url: str) -> EndpointOut:
    return EndpointOut(kind=each.kind, url=_url(each, base_url), created_at=each.created_at)


def made_to_wire(each: Endpoint, base_url: str) -> EndpointMade:
    is_ours = each.kind is EndpointKind.MAIL
    return EndpointMade(**endpoint_to_wire(each, base_url).model_dump(), secret=each.secret if is_ours else None)


def _url(each: Endpoint, base_url: str) -> str:
    return f"{base_url.rstrip('/')}/api/webhooks/{each.kind.value}/{each.id}"


class ReportIn(BaseModel):
    """A mail provider's report; what else it says is passed over."""

    type: BounceKind
    recipient: Annotated[str, Text(320, min=0)] = ""
    message_id: Annotated[str, Text(320, min=0)] = ""
    reason: Annotated[str, Text(2_000, min=0)] = ""

    def to_model(self) -> Report:
        return Report(kind=self.type, recipient=self.recipient, message_id=self.message_id, reason=self.reason)


class TemplateIn(In):
    """A subject and a text of your own. A blank line parts paragraphs."""

    subject: Annotated[str, Text(200)]
    body: Annotated[str, Text(5_000)]

    def to_model(self, tenant_id: TenantId, kind: Kind, language: str) -> OwnWords:
        return OwnWords(tenant_id=tenant_id, kind=kind, language=language, subject=self.subject, body=self.body)


class TemplateOut(Out):
    kind: Kind
    language: str
    subject: str
    body: str


class PreviewOut(Out):
    subject: str
    text: str
    html: str


def template_to_wire(each: OwnWords) -> TemplateOut:
    return TemplateOut(kind=each.kind, language=each.language, subject=each.subject, body=each.body)


def preview_to_wire(rendered: Rendered) -> PreviewOut:
    return PreviewOut(subject=rendered.subject, text=rendered.text, html=rendered.html)
