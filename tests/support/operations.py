"""What operations are asked with: the bodies by which they would be carried out, and what their ids are ids of.

A new operation has a row here, or tests/security says that it was not examined.
"""

import re

from tests.support.neighbours import NOBODYS, THEIR_CODE, Belongings

NEW_PLAN: dict[str, object] = {
    "name": "Mine now",
    "prices": [{"billing_cycle": "monthly", "amount": 1, "currency": "EUR"}],
}
TRANSFER: dict[str, object] = {"amount": 1, "received_at": "2026-01-01T00:00:00Z", "reference": "Mine now"}
# Operations that act on what the path names: a body with which they would be carried out.
BODIES: dict[str, dict[str, object]] = {
    "PUT /api/customers/{customer}/notification-preferences": {"reminders": False},
    "PATCH /api/customers/{id}": {"name": "Mine now"},
    "PUT /api/plans/{plan_id}": NEW_PLAN,
    "PUT /api/gateways/{account_id}/pace": {"calls_per_second": 1},
    "POST /api/gateways/{account_id}/key": {"secret_key": "sk_sim_mine"},
    "POST /api/settlements/differences/{difference_id}/resolve": {"reason": "Mine now"},
    "POST /api/settlements/differences/{difference_id}/take-refund": {"reason": "Mine now"},
    "POST /api/settlements/found/{found_id}/put-aside": {"reason": "Mine now"},
    "POST /api/payments/{payment_id}/refund-requests": {"reason": "Mine now"},
    "POST /api/customers/{id}/payment-methods": {"token": "pm_card_ok"},
    "PUT /api/customers/{id}/payment-methods/order": {"ids": [NOBODYS["pm"]]},
    "POST /api/payments/{payment_id}/record": TRANSFER,
    "POST /api/refunds/{refund_id}/record": {"sent_at": "2026-01-01T00:00:00Z", "reference": "Mine now"},
    "POST /api/refunds/{refund_id}/grant": {},
    "POST /api/disputes/{dispute_id}/note": {"text": "Mine now"},
    "POST /api/refunds/{refund_id}/refuse": {"reason": "No"},
    "PUT /api/subscriptions/{subscription_id}": {"auto_renew": False},
    "POST /api/invoices/{invoice_id}/pay": {},
    "POST /api/invoices/{invoice_id}/credit-notes": {"reason": "Mine now"},
    "PATCH /api/issuers/{id}": {"legal_name": "Mine now"},
    "POST /api/usage/{event_id}/amend": {"value": "1"},
    "POST /api/customers/{customer}/prepaid-credits": {"amount": 1, "currency": "EUR"},
    "POST /api/subscriptions/{subscription_id}/preview": {"quantity": 2},
    "POST /api/dunning/cases/{case_id}/pause": {"reason": "Mine now"},
    "POST /api/dunning/cases/{case_id}/resume": {"reason": "Mine now"},
    "POST /api/dunning/cases/{case_id}/forgive": {"reason": "Mine now"},
    "POST /api/dunning/cases/{case_id}/give-up": {"reason": "Mine now"},
    "PUT /api/dunning/plans/{plan_id}/policy": {"retry_days": [1]},
    "POST /api/entitlements/{organization_id}/readmit": {"cause_id": "019ca945-0a00-7000-8000-000000000000"},
    "POST /api/subscriptions/{subscription_id}/pause": {},
    "POST /api/subscriptions/{subscription_id}/resume": {},
    "POST /api/subscriptions/{subscription_id}/extend-trial": {"until": "2026-12-01T00:00:00Z"},
    "POST /api/subscriptions/{subscription_id}/billing-day": {"billing_day": 3},
    "POST /api/subscriptions/{subscription_id}/discounts": {"code": THEIR_CODE},
    "PUT /api/webhook-endpoints/{endpoint_id}": {"url": "https://example.com/mine", "events": ["*"]},
    "PATCH /api/members/{id}": {"role": "member"},
    "PUT /api/token-trusts/{id}/clerk": {"secret_key": "sk_test_mine"},
    "POST /api/privacy/requests/{request_id}/grant": {},
    "POST /api/privacy/requests/{request_id}/refuse": {"reason": "Mine now"},
    "POST /api/privacy/requests/{request_id}/complete": {"outcome": "Mine now"},
    "POST /api/webhook-endpoints/{endpoint_id}/replay": {
        "since": "2026-01-01T00:00:00Z",
        "until": "2027-01-01T00:00:00Z",
    },
}
# Operations whose body names something, with what it names: of whom, is said when it is asked.
REFERENCES: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("POST /api/subscriptions", {"organization_id": "org"}, {"plan_id": "plan"}),
    ("POST /api/subscriptions", {"plan_id": "plan"}, {"organization_id": "org"}),
    ("POST /api/subscriptions", {"payment_method_id": "pm"}, {"organization_id": "org", "plan_id": "plan"}),
    ("POST /api/orders", {"customer": "org"}, {"product": "prod"}),
    ("POST /api/orders", {"customer": "cus"}, {"product": "prod"}),
    ("POST /api/orders", {"product": "prod"}, {"customer": "org"}),
    ("POST /api/orders", {"product": "code"}, {"customer": "org"}),
    ("POST /api/orders", {"payment_method_id": "pm"}, {"customer": "org", "product": "prod"}),
    ("POST /pay", {"customer": "cus"}, {"product": "prod"}),
    ("POST /pay", {"payment_method_id": "pm"}, {"customer": "org", "product": "prod"}),
    ("POST /api/refunds", {"payment_id": "pay"}, {}),
    ("POST /api/payments/manual", {"invoice_id": "inv"}, {}),
    ("POST /api/customers/{id}/payment-methods", {"gateway_account_id": "gwa"}, {}),
    ("PUT /api/subscriptions/{subscription_id}", {"plan_id": "plan"}, {}),
    ("PUT /api/subscriptions/{subscription_id}", {"payment_method_id": "pm"}, {}),
    ("POST /api/invoices/{invoice_id}/pay", {"payment_method_id": "pm"}, {}),
    ("POST /api/subscriptions", {"parent_id": "sub"}, {"organization_id": "org", "plan_id": "plan"}),
    ("POST /api/subscriptions/linked", {"gateway_account_id": "gwa"}, {"organization_id": "org", "plan_id": "plan"}),
    ("POST /api/subscriptions/linked", {"plan_id": "plan"}, {"organization_id": "org", "gateway_account_id": "gwa"}),
    ("POST /api/subscriptions/linked", {"organization_id": "org"}, {"plan_id": "plan", "gateway_account_id": "gwa"}),
    ("POST /api/subscriptions/{subscription_id}/discounts", {"code": "code"}, {}),
    ("POST /api/usage", {"organization_id": "org"}, {}),
    ("POST /api/usage", {"customer_id": "cus"}, {}),
    ("POST /api/usage/alerts", {"organization_id": "org"}, {}),
    ("POST /api/invoices", {"customer_id": "cus"}, {}),
    ("POST /api/invoices", {"issuer_id": "iss"}, {"customer_id": "cus"}),
    ("POST /api/credits", {"customer_id": "cus"}, {}),
    ("POST /api/credits/pay-out", {"customer_id": "cus"}, {}),
    ("POST /api/privacy/requests", {"customer": "cus"}, {}),
    ("POST /api/privacy/consents", {"customer": "cus"}, {}),
]
_INVOICE: dict[str, object] = {"currency": "EUR", "lines": [{"description": "Mine now", "unit_amount": 1}]}
_MONTH = {"current_period_start": "2026-03-01T00:00:00Z", "current_period_end": "2026-04-01T00:00:00Z"}
REQUIRED: dict[str, dict[str, object]] = {
    "POST /api/subscriptions/linked": {"provider_subscription": "sub_theirs", **_MONTH},
    "POST /api/refunds": {"reason": "Mine now"},
    "POST /api/payments/manual": TRANSFER,
    "POST /api/customers/{id}/payment-methods": {"token": "pm_card_ok"},
    "POST /api/usage": {"event_id": "mine-now", "meter": "calls"},
    "POST /api/usage/alerts": {"meter": "calls", "threshold": "1"},
    "POST /api/invoices": _INVOICE,
    "POST /api/credits": {"amount": 1, "currency": "EUR", "reason": "Mine now"},
    "POST /api/credits/pay-out": {"currency": "EUR"},
    "POST /api/privacy/requests": {"kind": "objection", "reason": "Mine now"},
    "POST /api/privacy/consents": {"purpose": "newsletter", "version": "1", "is_given": True},
}
# The addresses of webhooks are open to all, and hold no id of anybody's thing; kinds of messages and languages are nobody's.
OPEN = re.compile(r"^/api/(webhooks|notification-templates)/")
KINDS = {
    "organization_id": "org", "code": "code", "plan_id": "plan", "product_id": "prod", "account_id": "gwa",
    "payment_id": "pay", "method_id": "pm", "refund_id": "ref", "invoice_id": "inv", "subscription_id": "sub",
    "order_id": "ord", "case_id": "case", "notification_id": "msg", "customer_id": "cus", "customer": "cus",
    "/api/customers": "cus", "/api/api-keys": "key", "/api/token-trusts": "trust", "/api/issuers": "iss",
    "meter_id": "mtr", "tax_rate_id": "txr", "alert_id": "alr", "event_id": "event", "grant_id": "ppc",
    "/api/discounts": "disc", "discount_id": "disc", "difference_id": "dif", "found_id": "fnd", "dispute_id": "dsp",
    "charge_id": "chg", "endpoint_id": "whe", "delivery_id": "dlv", "/api/events": "evt",
    "/api/members": "mem", "/api/sessions": "ses", "/api/credit-requests": "creq", "request_id": "prq",
    "export_id": "exp", "/api/audit": "aud",
}  # fmt: skip


def kind_of(path: str, parameter: str) -> str:
    """Say what a path's parameter is an id of. A new one has to be named here: what is not known is not examined."""
    name = path.partition("/{")[0] if parameter == "id" else parameter
    return KINDS[name]


def filled(path: str, whose: dict[str, Belongings]) -> str:
    """Put ids into a path: `whose` says of whom each parameter is."""
    return re.sub(r"\{(\w+)\}", lambda found: whose[found[1]][kind_of(path, found[1])], path)


def parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)
