"""The performers of `mail.send` and `sms.send`.

A message that is sent again, because nobody knows whether the first one arrived, has the same Message-ID and date. What
is kept goes the same way up to the very last step, so that the mailbox shows what would have been sent.
"""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.notifications import service
from guilder.domain.notifications.model import Attached, Channel, Content, Delivery, Kind, Notification, Status
from guilder.domain.notifications.performers.gathering import Matter, gather
from guilder.domain.notifications.performers.wording import data_of
from guilder.domain.notifications.rules.truth import why_no_longer
from guilder.domain.notifications.service import Candidate, brand_of, sender_name
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx
from guilder.platform.outside import intents as outside
from guilder.platform.outside.files import FileMissing, Files, FilesUnavailable
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, Verdict
from guilder.platform.outside.mail import (
    AddressRefused,
    Attachment,
    Mail,
    Mailbox,
    Mailer,
    MailRefused,
    MailUnavailable,
)
from guilder.platform.outside.sms import NumberRefused, Sms, SmsRefused, SmsUnavailable, Texter, segments
from guilder.platform.outside.templating import CannotRender, Rendered

# A mail waits a night for its server. A text does not: it is sent twice where nobody knows whether it was sent.
MAIL_LIMITS = Limits(timeout_s=30.0, attempts_max=36, backoff_first_s=5.0, backoff_max_s=3600.0)
SMS_LIMITS = Limits(timeout_s=30.0, attempts_max=10, backoff_first_s=5.0, backoff_max_s=3600.0)
# For the file store it waits some minutes, and then goes without what it would have carried.
ATTACHED_TRIES_MAX = 7
ATTACHED_BYTES_MAX = 5_000_000  # many mailboxes take ten, and a mail is a third larger than what is in it
_PDF = "application/pdf"


class MailSending:
    """Sends e-mails, or keeps them: a sandbox's always, everybody's where there is no mailer.

    `sender` is who writes where a tenant has named nobody; `public_url` is where customers reach this server; `files` is
    where the documents lie that go along.
    """

    kind = service.MAIL
    limits = MAIL_LIMITS

    def __init__(self, *, mailer: Mailer | None, sender: Mailbox, public_url: str, files: Files | None = None) -> None:
        self._mailer = mailer
        self._sender = sender
        self._public_url = public_url
        self._files = files

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Matter | None]:
        return await _load(tx, intents, public_url=self._public_url, now=now)

    async def call(self, intent: Intent, request: Matter, *, now: datetime) -> Delivery:
        attachment = await self._attachment(request, attempt=intent.attempts)
        matter = replace(request, attached=attachment.filename) if attachment else request
        try:
            rendered = _rendered(matter)
            content = Content(
                recipient=matter.address,
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                attachments=(Attached(filename=attachment.filename, size_bytes=len(attachment.content)),)
                if attachment
                else (),
            )
            if self._mailer is None or request.tenant.is_sandbox:
                return Delivery(ref=request.notification.ref, status=Status.KEPT, content=content)
            await self._mailer.send(self._mail(matter, content, attachment))
        except AddressRefused as error:
            return replace(_refused(request, error), refused_address=request.address)
        except (CannotRender, MailRefused) as error:
            return _refused(request, error)
        except MailUnavailable as error:
            raise CallFailed(str(error)) from error
        return Delivery(ref=request.notification.ref, status=Status.SENT, content=content)

    async def record(self, tx: Tx, done: Sequence[Done[Matter, Delivery]], *, now: datetime) -> Sequence[Verdict]:
        return await _record(tx, done, now=now)

    async def _attachment(self, matter: Matter, *, attempt: int) -> Attachment | None:
        """Return the receipt's PDF. One that is gone, too large, or out of reach for long is left out: its mail has the link."""
        if not matter.document or self._files is None:
            return None
        try:
            pdf = await self._files.get(matter.document)
        except FileMissing:
            return None
        except FilesUnavailable as error:
            if attempt > ATTACHED_TRIES_MAX:
                return None
            raise CallFailed(error.detail, is_outage=False) from error
        if len(pdf) > ATTACHED_BYTES_MAX:
            return None
        return Attachment(matter.document.rpartition("/")[2], _PDF, pdf)

    def _mail(self, matter: Matter, content: Content, attachment: Attachment | None) -> Mail:
        issuer, each = matter.issuer, matter.notification
        address = issuer.sender_email or self._sender.address
        return Mail(
            message_id=f"<{each.id}@{address.rpartition('@')[2]}>",
            dated=each.created_at,
            sender=Mailbox(address, sender_name(issuer) or self._sender.name),
            to=Mailbox(content.recipient, sender_name(issuer) if matter.is_to_staff else matter.reader.name),
            subject=content.subject,
            text=content.text,
            html=content.html,
            reply_to=Mailbox(issuer.email) if issuer.email else None,
            attachments=(attachment,) if attachment else (),
            unsubscribe_url=matter.more,
        )


class SmsSending:
    """Sends texts, or keeps them, as MailSending does mail. `sender` is a number, or up to 11 letters."""

    kind = service.SMS
    limits = SMS_LIMITS

    def __init__(self, *, texter: Texter | None, sender: str, public_url: str) -> None:
        self._texter = texter
        self._sender = sender
        self._public_url = public_url

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Matter | None]:
        return await _load(tx, intents, public_url=self._public_url, now=now)

    async def call(self, intent: Intent, request: Matter, *, now: datetime) -> Delivery:
        try:
            number, text = request.address, _rendered(request).sms
            assert text is not None, request.notification.kind
            content = Content(recipient=number, text=text)
            if self._texter is None or request.tenant.is_sandbox:
                return Delivery(ref=request.notification.ref, status=Status.KEPT, content=content)
            sms = Sms(to=number, sender=self._sender, body=text, report_url=request.report_url)
            sent_as = await self._texter.send(sms)
        except NumberRefused as error:
            return replace(_refused(request, error), refused_address=request.address)
        except (CannotRender, SmsRefused) as error:
            return _refused(request, error)
        except SmsUnavailable as error:
            raise CallFailed(str(error)) from error
        return Delivery(ref=request.notification.ref, status=Status.SENT, content=content, provider_ref=sent_as)

    async def record(self, tx: Tx, done: Sequence[Done[Matter, Delivery]], *, now: datetime) -> Sequence[Verdict]:
        return await _record(tx, done, now=now)


async def _load(tx: Tx, intents: Sequence[Intent], *, public_url: str, now: datetime) -> list[Matter | None]:
    """Gather what is still to be said. What is no longer true, has no reader any more, is not wanted, cannot arrive or may
    not be spent on is dropped here and now."""
    waiting = await service.waiting(tx, refs=[_subject(intent) for intent in intents])
    matters = {
        each.notification.ref: each for each in await gather(tx, list(waiting.values()), public_url=public_url, now=now)
    }
    dropped = {ref: why for ref, each in waiting.items() if (why := _why_not(each, matters.get(ref)))}
    # Each would say what is planned by now: of several wishes that waited the last one is announced.
    planned = [ref for ref, each in waiting.items() if each.kind is Kind.CHANGE_PLANNED and ref not in dropped]
    dropped |= dict.fromkeys(await service.followed(tx, refs=planned), "another change is planned by now")
    left = [_candidate(each) for ref, each in matters.items() if ref not in dropped]
    dropped |= await service.gate(tx, candidates=left, now=now)
    await service.record(
        tx,
        deliveries=[Delivery(ref=ref, status=Status.DROPPED, detail=why) for ref, why in dropped.items()],
        now=now,
    )
    return [None if _subject(i) in dropped else matters.get(_subject(i)) for i in intents]


async def _record(tx: Tx, done: Sequence[Done[Matter, Delivery]], *, now: datetime) -> list[Verdict]:
    given_up = [
        Delivery(ref=_subject(each.intent), status=Status.FAILED, detail=each.failure.reason)
        for each in done
        if each.failure is not None and each.is_last
    ]
    deliveries = [each.outcome for each in done if each.outcome is not None]
    await service.record(tx, deliveries=[*deliveries, *given_up], now=now)
    return [outside.usual(each) for each in done]


def _rendered(matter: Matter) -> Rendered:
    return service.TEMPLATES.render(
        matter.notification.kind.value,
        matter.language,
        data_of(matter),
        brand=brand_of(matter.issuer, matter.language),
        own=matter.own,
        more=matter.more,
    )


def _candidate(matter: Matter) -> Candidate:
    """Say what a message takes of its limit: a text its segments, which only the finished text has."""
    if matter.notification.channel is Channel.EMAIL:
        return Candidate(matter.notification, matter.address)
    try:
        text = _rendered(matter).sms or ""
    except CannotRender:
        text = ""  # it will be refused when it is sent, which says why
    return Candidate(matter.notification, matter.address, segments(text))


def _why_not(notification: Notification, matter: Matter | None) -> str:
    if matter is None:
        return "the customer was erased"
    if matter.is_to_staff and not matter.address:
        return "the issuer has no e-mail address"
    if notification.kind is Kind.PAYMENT_METHOD_ADDED and not (matter.last4 or matter.label):
        return "the payment method is there no more"
    # What releases before wrote down names no method.
    if notification.kind is Kind.CARD_EXPIRING and notification.about.payment_method_id is not None:
        return "" if matter.expires == notification.about.expires else "the card was renewed, or is there no more"
    return why_no_longer(notification, matter.invoice, matter.subscription, matter.parent)


def _refused(matter: Matter, error: Exception) -> Delivery:
    return Delivery(ref=matter.notification.ref, status=Status.FAILED, detail=str(error))


def _subject(intent: Intent) -> Ref:
    return Ref(intent.tenant_id, intent.subject_id)
