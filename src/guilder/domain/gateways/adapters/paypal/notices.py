"""PayPal's webhooks in our words. Nothing is fetched here: what an event does not say is left to a look at PayPal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guilder.domain.gateways.adapters.paypal import mapping
from guilder.domain.gateways.adapters.paypal.money import from_paypal
from guilder.domain.gateways.model import DisputeNews, DisputeStatus, Notice, Outcome, OutcomeKind, RequestKind
from guilder.domain.gateways.port import UnreadableNotice
from guilder.kernel.noun import replace
from guilder.platform.outside.documents import document

_CAPTURES = frozenset(f"PAYMENT.CAPTURE.{each}" for each in ("COMPLETED", "DECLINED", "DENIED", "PENDING"))
_DISPUTES = frozenset(f"CUSTOMER.DISPUTE.{each}" for each in ("CREATED", "UPDATED", "RESOLVED"))
_LOST = frozenset({"RESOLVED_BUYER_FAVOUR", "ACCEPTED"})
_WON = frozenset({"RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "DENIED", "NONE"})
_REASON_MAX = 100


def from_event(body: bytes, *, mode: str) -> Notice:
    """Read a webhook's body.

    A saved method's events and a reversal are kept and say nothing: the first name no key of ours, and of the second a
    dispute tells, too; counted from both it would be money that went twice.

    :raises UnreadableNotice: it is not an object with an id and a type
    """
    event = _object(body)
    notice_id, type_ = mapping.text(event, "id"), mapping.text(event, "event_type")
    if not 0 < len(notice_id) <= 255 or not 0 < len(type_) <= 200:
        raise UnreadableNotice("an event has an id and a type")
    said = Notice(notice_id=notice_id, type=type_, mode=mode, created_at=_moment(event.get("create_time")), raw=event)
    about = event.get("resource")
    if not isinstance(about, Mapping):
        return said
    if type_ in _CAPTURES:
        return _of_capture(said, about)
    if type_ == "CHECKOUT.ORDER.APPROVED":
        return _of_order(said, about)
    if type_ == "PAYMENT.CAPTURE.REFUNDED":
        return _told(said, RequestKind.REFUND, about, mapping.from_refund(about, None))
    return replace(said, dispute=_dispute(about)) if type_ in _DISPUTES else said


def _of_capture(said: Notice, capture: Mapping[str, Any]) -> Notice:
    extra = capture.get("supplementary_data")
    related = extra.get("related_ids") if isinstance(extra, Mapping) else None
    order = mapping.text(related, "order_id") if isinstance(related, Mapping) else ""
    outcome = mapping.from_capture(capture, Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=order))
    payee = capture.get("payee")
    account = mapping.text(payee, "merchant_id") if isinstance(payee, Mapping) else ""
    return replace(_told(said, RequestKind.CHARGE, capture, outcome), account=account)


def _of_order(said: Notice, order: Mapping[str, Any]) -> Notice:
    unit = mapping.the_unit(order)
    payee = unit.get("payee")
    account = mapping.text(payee, "merchant_id") if isinstance(payee, Mapping) else ""
    return replace(_told(said, RequestKind.CHARGE, unit, mapping.from_order(order, None)), account=account)


def _told(said: Notice, subject: RequestKind, named: Mapping[str, Any], outcome: Outcome) -> Notice:
    return replace(said, subject=subject, business_key=mapping.business_key(named.get("custom_id")), outcome=outcome)


def _dispute(case: Mapping[str, Any]) -> DisputeNews | None:
    listed = case.get("disputed_transactions")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], Mapping) else {}
    ref, charge, amount = mapping.text(case, "dispute_id"), mapping.text(first, "seller_transaction_id"), None
    result = case.get("dispute_outcome")
    code = mapping.text(result, "outcome_code") if isinstance(result, Mapping) else ""
    status = _standing(case, code)
    if status is DisputeStatus.LOST and isinstance(result, Mapping):
        amount = from_paypal(result.get("amount_refunded"))
    amount = amount or from_paypal(case.get("dispute_amount"))
    if not ref or not charge or amount is None:
        return None
    return DisputeNews(
        dispute_ref=ref,
        charge_ref=charge,
        provider_ref="",
        status=status,
        amount=amount,
        reason=mapping.text(case, "reason").lower()[:_REASON_MAX],
        respond_by=_moment(case.get("seller_response_due_date")),
    )


def _standing(case: Mapping[str, Any], code: str) -> DisputeStatus:
    """Say how a case stands. An inquiry holds no money yet; a result that we do not know leaves it open."""
    if case.get("status") == "RESOLVED" and code in _LOST:
        return DisputeStatus.LOST
    if case.get("status") == "RESOLVED" and code in _WON:
        return DisputeStatus.WON
    return DisputeStatus.INQUIRY if case.get("dispute_life_cycle_stage") == "INQUIRY" else DisputeStatus.OPEN


def _object(body: bytes) -> Mapping[str, Any]:
    event = document(body)
    if event is None:
        raise UnreadableNotice("the body is no object of JSON")
    return event


def _moment(said: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(said) if isinstance(said, str) and len(said) <= 64 else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
