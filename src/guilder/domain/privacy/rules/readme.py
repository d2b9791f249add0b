"""What lies in an export, and how it says so."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

# Of these there may be millions: a record on each line, instead of a list.
LINES = frozenset({"usage_events", "events_sent_by_webhook", "audit_records"})

ABOUT = {
    "customer": "who you are, as the business knows you",
    "subscriptions": "your subscriptions: plan and terms, periods, state",
    "orders": "what you ordered",
    "charge_requests": "what the product asked to be charged to you",
    "invoices": "your invoices and credit notes, with their lines; as PDF in documents/",
    "customer_credit": "credit that you had, and what is left of it",
    "prepaid_credit": "credit that you prepaid, and what is left of it",
    "discounts": "promo codes that you used",
    "payment_methods": "how you paid: kind, brand and last four digits; never a number",
    "payments": "your payments, made and tried",
    "refunds": "what was paid back to you",
    "disputes": "payments that your bank took back, and what came of it",
    "usage_by_month": "what you used, by meter and month (UTC)",
    "usage_events": "every reading of your use, one on each line",
    "usage_alerts": "thresholds of use that are watched for you",
    "access": "what you may use, and until when",
    "access_blocks": "when your access was blocked, and why",
    "dunning_cases": "payments that failed, and what was done about them",
    "dunning_history": "each step of that",
    "messages": "every e-mail and text that was sent to you, with what it said",
    "notification_preferences": "what you wish to hear of",
    "events_sent_by_webhook": "what the business's own systems were told about you, one on each line",
    "audit_records": "what was done with your data, and by whom, one on each line",
    "consents": "what you agreed to, and took back",
    "privacy_requests": "what you asked for about your data, and what came of it",
}


def file_of(kind: str) -> str:
    return f"{kind}.{'jsonl' if kind in LINES else 'json'}"


def between(kind: str, written: int) -> str:
    """Return what stands before the next record of a kind."""
    if kind in LINES:
        return "\n" if written else ""
    return ",\n" if written else "[\n"


def end(kind: str) -> str:
    return "\n" if kind in LINES else "\n]\n"


def document_name(number: str, invoice_id: UUID) -> str:
    safe = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "-" for each in number)
    return f"documents/{safe or invoice_id}.pdf"


def text(counts: Mapping[str, int], *, made_at: datetime) -> str:
    """Return the page that explains the rest; `counts` says how many records of each kind there are."""
    lines = [
        "YOUR DATA",
        "",
        f"Everything that is held about you, as of {made_at.isoformat()}.",
        "",
        "Dates and times are ISO 8601, UTC unless an offset says otherwise. Amounts are whole numbers in the currency's",
        'smallest unit (fields that end in _minor; "currency" beside them is ISO 4217): 3000 EUR is 30.00 euros.',
        "Exact numbers are texts. Ids are the same in every file.",
        "",
    ]
    width = max((len(file_of(kind)) for kind in counts), default=0)
    for kind, count in counts.items():
        lines.append(f"{file_of(kind):<{width}}  {count:>8}  {ABOUT.get(kind, '')}")
    return "\n".join([*lines, "", "documents/  your invoices and credit notes as PDF", ""])
