"""Between the simulated provider's words and ours. What cannot be understood is unknown, never a no."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from guilder.domain.gateways.model import (
    CardDetails,
    DisputeNews,
    DisputeStatus,
    GatewayRequest,
    MethodNews,
    Notice,
    Outcome,
    OutcomeKind,
    ProviderRecord,
    RequestKind,
)
from guilder.domain.gateways.port import UnreadableNotice
from guilder.kernel.currency import is_currency
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

Document = Mapping[str, Any]

AMOUNT_MISMATCH = "amount_mismatch"
OTHER_KEY = "business_key_mismatch"
# Never worth another try with the same card.
HARD = frozenset(
    {
        "lost_card",
        "stolen_card",
        "pickup_card",
        "fraudulent",
        "invalid_account",
        "expired_card",
        "restricted_card",
        "revocation_of_authorization",
        "payment_method_detached",
        "resource_missing",
    }
)
_NOTICES = {
    "payment_intent.succeeded": RequestKind.CHARGE,
    "payment_intent.payment_failed": RequestKind.CHARGE,
    "payment_intent.processing": RequestKind.CHARGE,
    "payment_intent.requires_action": RequestKind.CHARGE,
    "payment_intent.canceled": RequestKind.CHARGE,
    "setup_intent.succeeded": RequestKind.SETUP,
    "setup_intent.setup_failed": RequestKind.SETUP,
    "setup_intent.canceled": RequestKind.SETUP,
    "refund.updated": RequestKind.REFUND,
}
_DISPUTE_NOTICES = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)
_DISPUTES = {
    "warning_needs_response": DisputeStatus.INQUIRY,
    "needs_response": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}
_CODE_MAX = 100
_BOOKED = {
    "succeeded": OutcomeKind.SUCCEEDED,
    "failed": OutcomeKind.DECLINED,
    "declined": OutcomeKind.DECLINED,
    "canceled": OutcomeKind.CANCELED,
}


def unknown(message: str, *, ref: str = "", is_outage: bool = True, retry_after_s: int | None = None) -> Outcome:
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        provider_ref=ref,
        message=message,
        is_outage=is_outage,
        retry_after_s=retry_after_s,
    )


def refused(error: Document) -> Outcome:
    """Read a definite refusal of a call (4xx): nothing was done, and asking again would bring the same."""
    code = _text(error, "decline_code") or _text(error, "code") or "refused"
    return Outcome(
        kind=OutcomeKind.DECLINED,
        decline_code=code[:_CODE_MAX],
        is_hard_decline=code in HARD,
        message=_text(error, "message")[:200],
    )


def from_intent(intent: Document, request: GatewayRequest | None) -> Outcome:
    """Read a payment intent. `request` is what it was asked for: another amount is not an answer to it."""
    ref = _text(intent, "id")
    money = _money(intent)
    if not ref or money is None:
        return unknown("an answer that cannot be read", ref=ref, is_outage=False)
    if request is not None and (stray := _stray(intent, money, request)):
        return Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref, amount=money, alert=stray, message=stray)
    said = Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref, amount=money, payer_ref=_text(intent, "customer"))
    charge = _text(intent, "charge")
    match intent.get("status"):
        case "succeeded":
            return replace(said, kind=OutcomeKind.SUCCEEDED, charge_ref=charge, card=_card(intent))
        case "canceled":
            return replace(said, kind=OutcomeKind.CANCELED)
        case "processing":
            return replace(said, charge_ref=charge, is_pending=True, card=_card(intent))
        case "requires_action":
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION, action_url=_action_url(intent))
        case "requires_payment_method" if isinstance(intent.get("last_error"), Mapping):
            return replace(_declined(intent["last_error"], said), card=_card(intent))
        case "requires_payment_method" | "requires_confirmation":
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION)
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=ref, is_outage=False)


def from_setup(setup: Document) -> Outcome:
    ref = _text(setup, "id")
    match setup.get("status"):
        case "succeeded":
            payer = _text(setup, "customer")
            return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=ref, card=_card(setup), payer_ref=payer)
        case "canceled":
            return Outcome(kind=OutcomeKind.CANCELED, provider_ref=ref)
        case "requires_action":
            return Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=ref, action_url=_action_url(setup))
        case "requires_payment_method" if isinstance(setup.get("last_error"), Mapping):
            return _declined(setup["last_error"], Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref))
        case "requires_payment_method" | "requires_confirmation":
            return Outcome(kind=OutcomeKind.REQUIRES_ACTION, provider_ref=ref)
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=ref, is_outage=False)


def from_refund(refund: Document, request: GatewayRequest | None) -> Outcome:
    ref, money = _text(refund, "id"), _money(refund)
    if not ref or money is None:
        return unknown("an answer that cannot be read", ref=ref, is_outage=False)
    if request is not None and money != request.amount:
        return Outcome(kind=OutcomeKind.UNKNOWN, amount=money, alert=AMOUNT_MISMATCH, message=AMOUNT_MISMATCH)
    match refund.get("status"):
        case "succeeded":
            return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=ref, amount=money)
        case "failed" | "canceled":
            return Outcome(kind=OutcomeKind.DECLINED, provider_ref=ref, amount=money, decline_code="refund_failed")
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=ref, is_outage=False)


def from_book(entry: Document, *, is_refund: bool) -> ProviderRecord | None:
    """Read an entry of the provider's own books: a charge or a refund; None where it is none."""
    money, at = _money(entry), _instant(_text(entry, "at"))
    ref = _text(entry, "id" if is_refund else "payment_intent")
    if money is None or at is None or not ref:
        return None
    metadata = entry.get("metadata")
    return ProviderRecord(
        kind=RequestKind.REFUND if is_refund else RequestKind.CHARGE,
        provider_ref=ref,
        charge_ref=_text(entry, "charge" if is_refund else "id"),
        business_key=business_key(entry),
        claim=_text(metadata, "claim") if isinstance(metadata, Mapping) else "",
        status=_BOOKED.get(_text(entry, "status"), OutcomeKind.UNKNOWN),
        amount=money,
        at=at,
    )


def from_event(event: Document) -> Notice:
    """Read a webhook's body.

    :raises UnreadableNotice: it has no id or no type
    """
    notice_id, type_ = _text(event, "id"), _text(event, "type")
    if not 0 < len(notice_id) <= 255 or not 0 < len(type_) <= 200:
        raise UnreadableNotice("an event has an id and a type")
    created, said = event.get("created"), event.get("data")
    data: Document = said if isinstance(said, Mapping) else {}
    notice = Notice(
        notice_id=notice_id,
        type=type_,
        account=_text(event, "account"),
        created_at=datetime.fromtimestamp(created, UTC) if type(created) is int and 0 < created < 2**35 else None,
        raw=event,
    )
    about = data.get("object")
    if not isinstance(about, Mapping):
        return notice
    if type_ in _DISPUTE_NOTICES:
        return replace(notice, dispute=from_dispute(about))
    if type_ == "payment_method.automatically_updated":
        card = _details(about.get("card"))
        return replace(notice, method=_method(about, _text(about, "customer"), card) if card else None)
    if type_ == "payment_method.detached":
        before = data.get("previous_attributes")
        payer = _text(before, "customer") if isinstance(before, Mapping) else ""
        return replace(notice, method=_method(about, payer, None))
    subject = _NOTICES.get(type_)
    if subject is None:
        return notice
    outcome = _told_of(subject, about)
    return replace(notice, subject=subject, business_key=business_key(about), outcome=outcome)


def from_dispute(dispute: Document) -> DisputeNews:
    """Read a dispute.

    :raises UnreadableNotice: it has no id, no amount, or a status that nobody has heard of
    """
    ref, money = _text(dispute, "id"), _money(dispute)
    status = _DISPUTES.get(_text(dispute, "status"))
    if not ref or money is None or status is None:
        raise UnreadableNotice("a dispute has an id, an amount and a status")
    fee, due = dispute.get("fee"), dispute.get("evidence_due_by")
    return DisputeNews(
        dispute_ref=ref,
        charge_ref=_text(dispute, "charge"),
        provider_ref=_text(dispute, "payment_intent"),
        status=status,
        amount=money,
        reason=_text(dispute, "reason")[:_CODE_MAX],
        fee=Money(fee, money.currency) if type(fee) is int and 0 < fee < 2**62 else None,
        respond_by=datetime.fromtimestamp(due, UTC) if type(due) is int and 0 < due < 2**35 else None,
    )


def business_key(found: Document) -> str:
    metadata = found.get("metadata")
    return _text(metadata, "business_key")[:500] if isinstance(metadata, Mapping) else ""


def _told_of(subject: RequestKind, about: Document) -> Outcome:
    if subject is RequestKind.SETUP:
        return from_setup(about)
    return from_refund(about, None) if subject is RequestKind.REFUND else from_intent(about, None)


def _stray(intent: Document, money: Money, request: GatewayRequest) -> str:
    if money != request.amount:
        return AMOUNT_MISMATCH
    return OTHER_KEY if business_key(intent) != request.business_key else ""


def _declined(error: Document, said: Outcome) -> Outcome:
    no = refused(error)
    return replace(no, provider_ref=said.provider_ref, amount=said.amount)


def _money(found: Document) -> Money | None:
    amount, currency = found.get("amount"), _text(found, "currency").upper()
    if type(amount) is not int or not 0 < amount < 2**62 or not is_currency(currency):
        return None
    return Money(amount, currency)


def _card(found: Document) -> CardDetails | None:
    return _details(found.get("payment_method_details"), token=_text(found, "payment_method"))


def _details(details: object, *, token: str = "") -> CardDetails | None:
    if not isinstance(details, Mapping):
        return None
    month, year = details.get("exp_month"), details.get("exp_year")
    last4 = _text(details, "last4")
    return CardDetails(
        token=token,
        brand=_text(details, "brand")[:40],
        last4=last4 if last4.isascii() and last4.isdigit() and len(last4) <= 4 else "",
        exp_month=month if type(month) is int and 0 <= month <= 12 else 0,
        exp_year=year if type(year) is int and 0 <= year < 10_000 else 0,
    )


def _method(method: Document, payer: str, card: CardDetails | None) -> MethodNews | None:
    """Read the news of a method that it keeps for somebody."""
    token = _text(method, "id")
    return MethodNews(token=token, payer_ref=payer, card=card) if token and payer else None


def _action_url(found: Document) -> str:
    action = found.get("next_action")
    return _text(action, "url") if isinstance(action, Mapping) else ""


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _text(found: Document, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
