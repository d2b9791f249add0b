"""Data that messages are shown about before there is anything to tell: in previews, and in the pictures of the docs."""

from collections.abc import Sequence

_EXAMPLES = {
    "customer_name": "Ada Lovelace",
    "amount": "€49.00",
    "paid_on": "1 March 2026",
    "method": "Visa •••• 4242",
    "plan_name": "Pro",
    "invoice_number": "INV-2026-00042",
    "retry_on": "4 March 2026",
    "reason": "product not received",
    "price": "€49.00",
    "period_ends_on": "1 April 2026",
    "access_ends_on": "31 March 2026",
    "trial_ends_on": "8 March 2026",
    "due_on": "15 March 2026",
    "note_number": "CN-2026-00007",
    "taken_off": "€29.00",
    "credited": "€20.00",
    "meter_name": "API calls",
    "quantity": "80,000",
    "threshold": "80,000",
    "since": "1 March 2026",
    "paused_on": "1 March 2026",
    "resumes_on": "1 June 2026",
    "new_plan_name": "Business",
    "new_price": "€99.00",
    "changes_on": "1 April 2026",
    "card_expires_on": "03/2026",
    "renews_on": "8 March 2026",
    "respond_by": "20 March 2026",
    "attached": "INV-2026-00042.pdf",
    "invoice_url": "https://billing.example.com/checkout/example",
    "update_url": "https://billing.example.com/checkout/example",
    "action_url": "https://billing.example.com/checkout/example",
}


def data_for(names: Sequence[str]) -> dict[str, str]:
    """Return an example of each datum that there is one of; what no message is given yet is left out."""
    return {name: _EXAMPLES[name] for name in names if name in _EXAMPLES}
