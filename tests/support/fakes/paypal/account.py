"""One merchant's account at the fake: what PayPal would keep of it, and what a test may do there."""

import copy
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

Document = dict[str, Any]

MERCHANT = "MERCHANT12345"
PAYER = "PAYERABCDE234"


def new_id(length: int = 17) -> str:
    return "".join(secrets.choice("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(length))


class Refusal(Exception):
    """A 4xx as PayPal writes it."""

    def __init__(self, status: int, issue: str, name: str = "UNPROCESSABLE_ENTITY") -> None:
        super().__init__(issue)
        self.status = status
        self.body = {"name": name, "message": f"refused: {issue}", "debug_id": new_id(), "details": [{"issue": issue}]}


@dataclass
class Fault:
    op: str
    mode: str
    times: int = 1
    seconds: float = 0


@dataclass
class Account:
    client_id: str = field(default_factory=lambda: f"client-{uuid4().hex}")
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    token_life_s: int = 32_400
    scopes: str = (
        "https://uri.paypal.com/services/payments/payment/authcapture https://uri.paypal.com/services/payments/refund "
        "https://uri.paypal.com/services/vault/payment-tokens/readwrite "
        "https://uri.paypal.com/services/disputes/read-seller https://uri.paypal.com/services/reporting/search/read "
        "https://uri.paypal.com/services/applications/webhooks"
    )
    allows_authorize: bool = True
    tokens: dict[str, datetime] = field(default_factory=dict)
    orders: dict[str, Document] = field(default_factory=dict)
    setups: dict[str, Document] = field(default_factory=dict)
    saved: dict[str, Document] = field(default_factory=dict)
    webhooks: dict[str, Document] = field(default_factory=dict)
    disputes: dict[str, Document] = field(default_factory=dict)
    events: list[Document] = field(default_factory=list)
    undelivered: list[Document] = field(default_factory=list)
    transactions: list[Document] = field(default_factory=list)
    keys: dict[tuple[str, str], tuple[str, Document]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    shift: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        for name, last4 in (("card-ok", "4242"), ("card-insufficient", "0002"), ("card-lost", "0003")):
            card = {"brand": "VISA", "last_digits": last4, "expiry": "2031-07"}
            self.saved[name] = {"id": name, "customer": {"id": "customer_1"}, "payment_source": {"card": card}}
        for name in ("wallet-ok", "wallet-declined", "wallet-review", "wallet-absent"):
            wallet = {"email_address": "jane@example.com", "payer_id": PAYER, "usage_type": "MERCHANT"}
            self.saved[name] = {"id": name, "customer": {"id": "customer_1"}, "payment_source": {"paypal": wallet}}

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def stamp(self) -> str:
        return self.now.isoformat(timespec="seconds").replace("+00:00", "Z")

    def order(self, order_id: str) -> Document:
        if order_id not in self.orders:
            raise Refusal(404, "INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")
        return self.orders[order_id]

    def captures(self) -> list[Document]:
        return [each for order in self.orders.values() for each in payments(order, "captures")]

    def charged(self) -> list[tuple[str, str]]:
        """Return what moved, oldest first, as value and currency, from the account's own books."""
        paid = [each for each in self.transactions if each["transaction_event_code"].startswith("T00")]
        paid = [each for each in paid if each["transaction_status"] in {"S", "V"}]
        amounts = [each["transaction_amount"] for each in paid]
        return [(each["value"], each["currency_code"]) for each in amounts]

    # What a payer, a bank, a person at PayPal or time does.

    def approve(self, order_id: str) -> None:
        order = self.order(order_id)
        assert order["status"] in {"CREATED", "PAYER_ACTION_REQUIRED"}, order
        order["status"] = "APPROVED"
        self.tell("CHECKOUT.ORDER.APPROVED", "checkout-order", order)

    def agree(self, setup_id: str) -> None:
        self.setups[setup_id]["status"] = "APPROVED"

    def lapse(self, order_id: str) -> None:
        assert not payments(self.order(order_id), "captures"), "what was captured does not lapse"
        del self.orders[order_id]

    def forget_keys(self) -> None:
        self.keys.clear()

    def end_tokens(self) -> None:
        self.tokens.clear()

    def decide(self, capture_id: str, status: str) -> None:
        """Have a pending capture become what it becomes: COMPLETED or DECLINED."""
        [capture] = [each for each in self.captures() if each["id"] == capture_id]
        assert capture["status"] == "PENDING", capture
        capture["status"] = status
        self.book_capture(capture)
        self.tell(f"PAYMENT.CAPTURE.{'COMPLETED' if status == 'COMPLETED' else 'DENIED'}", "capture", capture)

    def open_dispute(self, capture_id: str, *, stage: str = "CHARGEBACK", value: str = "") -> Document:
        [capture] = [each for each in self.captures() if each["id"] == capture_id]
        case: Document = {
            "dispute_id": f"PP-D-{len(self.disputes) + 1}",
            "create_time": self.stamp(),
            "disputed_transactions": [{"seller_transaction_id": capture_id, "custom": capture.get("custom_id", "")}],
            "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
            "status": "WAITING_FOR_SELLER_RESPONSE",
            "dispute_amount": {**capture["amount"], "value": value or capture["amount"]["value"]},
            "dispute_life_cycle_stage": stage,
            "seller_response_due_date": (self.now + timedelta(days=10)).isoformat(),
        }
        self.disputes[case["dispute_id"]] = case
        return self.tell("CUSTOMER.DISPUTE.CREATED", "dispute", case)

    def resolve_dispute(self, dispute_id: str, outcome: str) -> Document:
        case = self.disputes[dispute_id]
        refunded = {"amount_refunded": case["dispute_amount"]} if outcome == "RESOLVED_BUYER_FAVOUR" else {}
        case |= {"status": "RESOLVED", "dispute_outcome": {"outcome_code": outcome, **refunded}}
        return self.tell("CUSTOMER.DISPUTE.RESOLVED", "dispute", case)

    def tell(self, event_type: str, resource_type: str, resource: Document) -> Document:
        event = {
            "id": f"WH-{new_id()}-{new_id()}",
            "event_version": "1.0",
            "create_time": self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "resource_type": resource_type,
            "event_type": event_type,
            "summary": event_type.lower(),
            "resource": copy.deepcopy(resource),
            "links": [],
        }
        self.events.append(event)
        self.undelivered.append(event)
        return event

    def book_capture(self, capture: Document) -> None:
        code = {"COMPLETED": "S", "PENDING": "P"}.get(capture["status"], "D")
        value = Decimal(capture["amount"]["value"])
        fee = (value * Decimal("0.0349")).quantize(value)
        entry = {
            "transaction_id": capture["id"],
            "paypal_reference_id": capture["supplementary_data"]["related_ids"]["order_id"],
            "paypal_reference_id_type": "ODR",
            "transaction_event_code": "T0006",
            "transaction_initiation_date": self.now.isoformat(timespec="seconds"),
            "transaction_amount": capture["amount"],
            "fee_amount": {**capture["amount"], "value": str(-fee)},
            "transaction_status": code,
            "invoice_id": capture.get("invoice_id", ""),
            "custom_field": capture.get("custom_id", ""),
        }
        self.transactions = [each for each in self.transactions if each["transaction_id"] != capture["id"]] + [entry]

    def book_refund(self, refund: Document, capture_id: str) -> None:
        self.transactions.append(
            {
                "transaction_id": refund["id"],
                "paypal_reference_id": capture_id,
                "paypal_reference_id_type": "TXN",
                "transaction_event_code": "T1107",
                "transaction_initiation_date": self.now.isoformat(timespec="seconds"),
                "transaction_amount": {**refund["amount"], "value": f"-{refund['amount']['value']}"},
                "transaction_status": "S",
                "custom_field": refund.get("custom_id", ""),
            }
        )


def payments(order: Document, name: str) -> list[Document]:
    found: list[Document] = order["purchase_units"][0].setdefault("payments", {}).setdefault(name, [])
    return found
