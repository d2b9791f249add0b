"""What Stripe's events tell. Nothing is fetched: where an event says less than a look would, its outcome is unknown.

A charge that the customer made on Stripe's page is told by `charge.succeeded`, which alone shows the card that is to be
kept; so the same news from its intent and its session is left aside.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from guilder.domain.gateways.adapters.stripe import mapping
from guilder.domain.gateways.adapters.stripe.amounts import from_stripe_amount
from guilder.domain.gateways.adapters.stripe.mapping import Document, name, noted, text
from guilder.domain.gateways.model import (
    DisputeNews,
    DisputeStatus,
    ElsewhereKind,
    ElsewhereNews,
    MethodNews,
    Notice,
    Outcome,
    RequestKind,
)
from guilder.domain.gateways.port import UnreadableNotice
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

_INVOICES = {
    "invoice.paid": ElsewhereKind.PAID,
    "invoice.payment_succeeded": ElsewhereKind.PAID,
    "invoice.payment_failed": ElsewhereKind.FAILED,
}
_SUBSCRIPTIONS = {
    "customer.subscription.updated": ElsewhereKind.UPDATED,
    "customer.subscription.deleted": ElsewhereKind.ENDED,
}
_RENEWALS = frozenset({"payment_method.automatically_updated", "payment_method.updated"})
_DISPUTES = {
    "warning_needs_response": DisputeStatus.INQUIRY,
    "warning_under_review": DisputeStatus.INQUIRY,
    # An inquiry that came to nothing, and one that was settled before it became a dispute: the money stays.
    "warning_closed": DisputeStatus.WON,
    "prevented": DisputeStatus.WON,
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "appeal_needs_response": DisputeStatus.OPEN,
    "appeal_under_review": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}


def from_event(event: Document) -> Notice:
    """Read a webhook's body.

    :raises UnreadableNotice: it has no id or no type
    """
    notice_id, type_ = text(event, "id"), text(event, "type")
    if not 0 < len(notice_id) <= 255 or not 0 < len(type_) <= 200:
        raise UnreadableNotice("an event has an id and a type")
    livemode = event.get("livemode")
    notice = Notice(
        notice_id=notice_id,
        type=type_,
        account=text(event, "account"),
        mode={True: "live", False: "test"}.get(livemode, "") if isinstance(livemode, bool) else "",
        created_at=_time(event.get("created")),
        raw=event,
    )
    said = event.get("data")
    data: Document = said if isinstance(said, Mapping) else {}
    about = data.get("object")
    if not isinstance(about, Mapping):
        return notice
    if type_ == "payment_method.detached":
        return replace(notice, method=_detached(about, data.get("previous_attributes")))
    return _told(notice, about)


def _told(notice: Notice, about: Document) -> Notice:
    family = notice.type.rpartition(".")[0]
    match family:
        case "payment_intent":
            return _answer(notice, about, RequestKind.CHARGE, _intent(about))
        case "setup_intent":
            return _answer(notice, about, RequestKind.SETUP, _woken(mapping.from_setup(about)))
        case "checkout.session":
            return _session(notice, about)
        case "charge" if notice.type == "charge.succeeded":
            return _answer(notice, about, RequestKind.CHARGE, mapping.from_charge(about))
        # `charge.refunded` does not say which refund it was: that is told by `refund.…` itself.
        case "refund":
            return _answer(notice, about, RequestKind.REFUND, mapping.from_refund(about, None))
        case "charge.dispute":
            return replace(notice, dispute=_dispute(about))
        case "invoice" if notice.type in _INVOICES:
            return replace(notice, elsewhere=_invoice(about, _INVOICES[notice.type]))
        case "customer.subscription" if notice.type in _SUBSCRIPTIONS:
            return replace(notice, elsewhere=_subscription(about, _SUBSCRIPTIONS[notice.type]))
        case "payment_method" if notice.type in _RENEWALS:
            return replace(notice, method=_renewed(about))
        case _:
            return notice


def _answer(notice: Notice, about: Document, subject: RequestKind, outcome: Outcome | None) -> Notice:
    if outcome is None:
        return notice
    return replace(notice, subject=subject, business_key=noted(about, "business_key"), outcome=outcome)


def _intent(intent: Document) -> Outcome | None:
    if intent.get("status") == "succeeded" and intent.get("setup_future_usage"):
        return None
    return mapping.from_intent(intent, None)


def _session(notice: Notice, session: Document) -> Notice:
    """Read a page's news: closed, or complete with money that is still on its way or a card that is to be looked up."""
    if session.get("mode") == "setup":
        return _answer(notice, session, RequestKind.SETUP, _woken(mapping.from_session(session, None)))
    if session.get("mode") != "payment" or session.get("payment_status") == "paid":
        return notice
    return _answer(notice, session, RequestKind.CHARGE, _woken(mapping.from_session(session, None)))


def _woken(outcome: Outcome) -> Outcome:
    """Have it looked up at once, where the event does not say which card was saved, or how a page ended."""
    return replace(outcome, is_approved=outcome.is_pending)


def _dispute(dispute: Document) -> DisputeNews | None:
    amount = from_stripe_amount(dispute.get("amount"), dispute.get("currency"))
    status = _DISPUTES.get(text(dispute, "status"))
    if amount is None or status is None or not text(dispute, "id"):
        return None
    evidence = dispute.get("evidence_details")
    return DisputeNews(
        dispute_ref=text(dispute, "id"),
        charge_ref=name(dispute.get("charge")),
        provider_ref=name(dispute.get("payment_intent")),
        status=status,
        amount=amount,
        reason=text(dispute, "reason")[:100],
        fee=_fee(dispute.get("balance_transactions")),
        respond_by=_time(evidence.get("due_by")) if isinstance(evidence, Mapping) else None,
    )


def _fee(transactions: object) -> Money | None:
    """Add up what Stripe took for the dispute, in the currency of the account's own balance."""
    booked = [each for each in transactions if isinstance(each, Mapping)] if isinstance(transactions, list) else []
    fees = [from_stripe_amount(each.get("fee"), each.get("currency")) for each in booked]
    charged = [fee for fee in fees if fee is not None and fee.minor]
    return Money(sum(fee.minor for fee in charged), charged[0].currency) if charged else None


def _invoice(invoice: Document, kind: ElsewhereKind) -> ElsewhereNews | None:
    subscription = _subscription_of(invoice)
    if not subscription:
        return None
    starts_at, ends_at = _billed(invoice)
    paid = invoice.get("amount_paid" if kind is ElsewhereKind.PAID else "amount_due")
    return ElsewhereNews(
        kind=kind,
        subscription_ref=subscription,
        payer_ref=name(invoice.get("customer")),
        status=text(invoice, "status")[:40],
        period_starts_at=starts_at,
        period_ends_at=ends_at,
        amount=from_stripe_amount(paid, invoice.get("currency")),
        invoice_ref=text(invoice, "id"),
    )


def _subscription_of(invoice: Document) -> str:
    parent = invoice.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, Mapping) else None
    return name(details.get("subscription")) if isinstance(details, Mapping) else name(invoice.get("subscription"))


def _billed(invoice: Document) -> tuple[datetime | None, datetime | None]:
    """Return the period that was billed: the lines say it, the invoice's own is the one before."""
    periods = [each.get("period") for each in _listed(invoice.get("lines"))]
    last = max((p for p in periods if isinstance(p, Mapping)), key=lambda p: _number(p.get("end")), default=None)
    return (_time(last.get("start")), _time(last.get("end"))) if last is not None else (None, None)


def _subscription(subscription: Document, kind: ElsewhereKind) -> ElsewhereNews | None:
    if not text(subscription, "id"):
        return None
    # The period moved from the subscription to its items in 2025.
    item: Document = next(iter(_listed(subscription.get("items"))), subscription)
    ends = item.get("current_period_end")
    ends_then = ends is not None and subscription.get("cancel_at") == ends
    details = subscription.get("cancellation_details")
    return ElsewhereNews(
        kind=kind,
        subscription_ref=text(subscription, "id"),
        payer_ref=name(subscription.get("customer")),
        status=text(subscription, "status")[:40],
        period_starts_at=_time(item.get("current_period_start")),
        period_ends_at=_time(ends),
        cancel_at_period_end=subscription.get("cancel_at_period_end") is True or ends_then,
        invoice_ref=name(subscription.get("latest_invoice")),
        ended_for=text(details, "reason")[:40] if isinstance(details, Mapping) else "",
    )


def _renewed(method: Document) -> MethodNews | None:
    """Read a method that has other details than before; one that is kept for nobody is none of ours."""
    payer, ref, card = name(method.get("customer")), text(method, "id"), mapping.from_method(method)
    if not payer or not ref or card is None:
        return None
    return MethodNews(token=f"{payer}/{ref}", payer_ref=payer, card=card)


def _detached(method: Document, before: object) -> MethodNews | None:
    """Read a method that was taken from its customer: who that was is said only of the time before."""
    payer = name(before.get("customer")) if isinstance(before, Mapping) else ""
    ref = text(method, "id")
    return MethodNews(token=f"{payer}/{ref}", payer_ref=payer) if payer and ref else None


def _listed(found: object) -> list[Mapping[str, Any]]:
    rows = found.get("data") if isinstance(found, Mapping) else None
    return [each for each in rows if isinstance(each, Mapping)] if isinstance(rows, list) else []


def _number(value: object) -> int:
    return value if type(value) is int else 0


def _time(value: object) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if type(value) is int and 0 < value < 2**35 else None
