"""What a message says, in its reader's language and time zone: strings for the templates, as the reader shall see them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from guilder.domain.catalog.model import Collection
from guilder.domain.notifications.model import Kind
from guilder.domain.notifications.performers.gathering import Matter
from guilder.domain.payments.rules.brands import card_name
from guilder.domain.subscriptions.model import Terms
from guilder.domain.subscriptions.rules import leaving, periods
from guilder.kernel.money import Money
from guilder.kernel.noun import replace
from guilder.platform.words import Speech

Data = dict[str, str]


def data_of(matter: Matter) -> Data:
    """Return what the templates of this kind ask for; what is not known is left out."""
    # Of whom was erased the staff reads the pseudonym.
    data = {
        "customer_name": matter.reader.name or matter.reader.organization_id,
        **_SAID[matter.notification.kind](matter),
    }
    return {name: value for name, value in data.items() if value}


def _paid(matter: Matter) -> Data:
    return {
        **_money(matter),
        "paid_on": _day(matter, matter.notification.about.at or matter.notification.created_at),
        "plan_name": _plan_name(matter) if matter.subscription else "",
        "invoice_url": matter.link,
        "attached": matter.attached,
    }


def _failed(matter: Matter) -> Data:
    return {**_money(matter), "retry_on": _at(matter), "update_url": matter.link}


def _action_required(matter: Matter) -> Data:
    return {**_money(matter), "action_url": matter.link}


def _reminder(matter: Matter) -> Data:
    return {**_money(matter), "update_url": matter.link}


def _apology(matter: Matter) -> Data:
    data = {
        **_money(matter),
        "plan_name": _plan_name(matter),
        "due_on": _day(matter, matter.invoice.due_at) if matter.invoice and matter.invoice.is_sent else "",
        "update_url": matter.link,
    }
    return {name: value for name, value in data.items() if name != "method"}


def _restored(matter: Matter) -> Data:
    return {"plan_name": _plan_name(matter), "period_ends_on": _period_end(matter)}


def _activated(matter: Matter) -> Data:
    return {"plan_name": _plan_name(matter), "price": _price(matter), "period_ends_on": _period_end(matter)}


def _cancelled(matter: Matter) -> Data:
    return {"plan_name": _plan_name(matter), "access_ends_on": _at(matter)}


def _trial(matter: Matter) -> Data:
    return {
        "plan_name": _plan_name(matter),
        "trial_ends_on": _trial_end(matter),
        **_collected_then(matter),
    }


def _refunded(matter: Matter) -> Data:
    return _money(matter)


def _owed(matter: Matter) -> Data:
    """Say what is to be paid of an invoice with terms; its total too, where credit has paid a part of that."""
    invoice = matter.invoice
    assert invoice is not None, matter.notification.ref
    return {
        "amount": _say(matter, invoice.due),
        "total": _say(matter, invoice.total) if invoice.total != invoice.due else "",
        "due_on": _day(matter, invoice.due_at),
        "invoice_number": invoice.number or "",
        "invoice_url": matter.link,
    }


def _credited(matter: Matter) -> Data:
    about = matter.notification.about
    assert about.amount is not None, matter.notification.ref
    credited = about.credited or replace(about.amount, minor=0)
    taken_off = about.amount - credited
    return {
        "amount": _say(matter, about.amount),
        "note_number": (matter.invoice.number or "") if matter.invoice else "",
        "invoice_number": (matter.corrected.number or "") if matter.corrected else "",
        "taken_off": _say(matter, taken_off) if taken_off.minor > 0 and matter.corrected else "",
        "credited": _say(matter, credited) if credited.minor > 0 else "",
    }


def _alert(matter: Matter) -> Data:
    about, speech = matter.notification.about, Speech(matter.language)
    assert about.quantity is not None, matter.notification.ref
    assert about.threshold is not None, matter.notification.ref
    return {
        "meter_name": matter.meter.name if matter.meter else about.meter,
        "quantity": speech.number(about.quantity),
        "threshold": speech.number(about.threshold),
        "since": _since(matter),
    }


def _paused(matter: Matter) -> Data:
    return {"plan_name": _plan_name(matter), "paused_on": _since(matter), "resumes_on": _at(matter)}


def _resumed(matter: Matter) -> Data:
    return {"plan_name": _plan_name(matter), "period_ends_on": _period_end(matter)}


def _trial_extended(matter: Matter) -> Data:
    return {"plan_name": _plan_name(matter), "trial_ends_on": _at(matter), "price": _price_then(matter)}


def _change(matter: Matter) -> Data:
    subscription = matter.subscription
    assert subscription is not None, matter.notification.ref
    assert subscription.pending_terms is not None, matter.notification.ref
    terms = subscription.pending_terms
    quantity = Speech(matter.language).number(Decimal(terms.quantity))
    return {
        "plan_name": subscription.terms.plan_name,
        "new_plan_name": terms.plan_name,
        "new_price": _say(matter, terms.amount),
        "new_quantity": quantity if terms.quantity != subscription.terms.quantity else "",
        "changes_on": _day(matter, subscription.pending_at or subscription.current_period.ends_at),
    }


def _expiring(matter: Matter) -> Data:
    year, _, month = matter.notification.about.expires.partition("-")
    return {"method": _method(matter), "card_expires_on": f"{month}/{year}"}


def _renewal(matter: Matter) -> Data:
    terms = _terms_then(matter)
    assert terms is not None, matter.notification.ref
    return {
        "plan_name": terms.plan_name,
        "renews_on": _at(matter),
        **_collected_then(matter),
    }


def _of_method(matter: Matter) -> Data:
    return {"method": _method(matter)}


def _refusal(matter: Matter) -> Data:
    return {**_money(matter), "reason": matter.notification.about.reason}


def _dispute(matter: Matter) -> Data:
    return {**_refusal(matter), "respond_by": _at(matter)}


_SAID: dict[Kind, Callable[[Matter], Data]] = {
    Kind.PAYMENT_SUCCEEDED: _paid,
    Kind.PAYMENT_FAILED: _failed,
    Kind.PAYMENT_ACTION_REQUIRED: _action_required,
    Kind.PAYMENT_REMINDER: _reminder,
    Kind.APOLOGY: _apology,
    Kind.ACCESS_RESTORED: _restored,
    Kind.SUBSCRIPTION_ACTIVATED: _activated,
    Kind.SUBSCRIPTION_CANCELLED: _cancelled,
    Kind.TRIAL_ENDING: _trial,
    Kind.REFUND_SUCCEEDED: _refunded,
    Kind.INVOICE_SENT: _owed,
    Kind.INVOICE_DUE_SOON: _owed,
    Kind.INVOICE_OVERDUE: _owed,
    Kind.CREDIT_NOTE_ISSUED: _credited,
    Kind.USAGE_ALERT: _alert,
    Kind.SUBSCRIPTION_PAUSED: _paused,
    Kind.SUBSCRIPTION_RESUMED: _resumed,
    Kind.TRIAL_EXTENDED: _trial_extended,
    Kind.CHANGE_PLANNED: _change,
    Kind.CARD_EXPIRING: _expiring,
    Kind.UPCOMING_RENEWAL: _renewal,
    Kind.PAYMENT_METHOD_ADDED: _of_method,
    Kind.PAYMENT_METHOD_REFUSED: _of_method,
    Kind.REFUND_ASKED: _refunded,
    Kind.REFUND_REFUSED: _refusal,
    Kind.DISPUTE_OPENED: _dispute,
}
assert set(_SAID) == set(Kind)


def _money(matter: Matter) -> Data:
    invoice = matter.invoice
    amount = matter.notification.about.amount or (invoice.due if invoice else None)
    return {
        "amount": _say(matter, amount) if amount else "",
        "invoice_number": (invoice.number or "") if invoice else "",
        "method": _method(matter),
    }


def _method(matter: Matter) -> str:
    return card_name(matter.brand, matter.last4) if matter.last4 else matter.label


def _plan_name(matter: Matter) -> str:
    """Name the plan, or else what the invoice was for."""
    if matter.subscription is not None:
        return matter.subscription.terms.plan_name
    return matter.invoice.lines[0].description if matter.invoice and matter.invoice.lines else ""


def _price(matter: Matter) -> str:
    subscription = matter.subscription
    if subscription is None or subscription.terms.amount.is_zero:
        return ""
    return _say(matter, subscription.terms.amount)


def _price_then(matter: Matter) -> str:
    terms = _terms_then(matter)
    return _say(matter, terms.amount) if terms is not None and not terms.amount.is_zero else ""


def _collected_then(matter: Matter) -> Data:
    """Say what it costs then, and how that is collected: of whom is sent an invoice no card is charged."""
    terms = _terms_then(matter)
    is_sent = terms is not None and terms.billing.collection is Collection.SEND
    return {"price": _price_then(matter), **({"invoiced": "yes"} if is_sent else {"method": _method(matter)})}


def _terms_then(matter: Matter) -> Terms | None:
    """Return what is agreed at the instant that a message speaks of: of a planned change, what takes effect by then."""
    subscription, at = matter.subscription, matter.notification.about.at
    if subscription is None:
        return None
    return periods.take_pending(subscription, at=at or subscription.current_period.ends_at).terms


def _period_end(matter: Matter) -> str:
    """Say when it renews; of what does not renew, nothing."""
    subscription = matter.subscription
    if subscription is None or subscription.ended_at is not None or leaving.stops_with_period(subscription):
        return ""
    return _day(matter, subscription.current_period.ends_at)


def _trial_end(matter: Matter) -> str:
    """Say when it ends by now: it may have been put off while the message waited."""
    ends_at = matter.subscription.trial_ends_at if matter.subscription else None
    return _day(matter, ends_at) if ends_at else _at(matter)


def _at(matter: Matter) -> str:
    at = matter.notification.about.at
    return _day(matter, at) if at else ""


def _since(matter: Matter) -> str:
    since = matter.notification.about.since
    return _day(matter, since) if since else ""


def _say(matter: Matter, amount: Money) -> str:
    return Speech(matter.language).money(amount)


def _day(matter: Matter, at: datetime) -> str:
    return Speech(matter.language).day(at.astimezone(ZoneInfo(matter.time_zone)).date())
