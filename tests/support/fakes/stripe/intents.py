"""PaymentIntents and their charges, as they move at Stripe."""

from tests.support.fakes.stripe import cards, money
from tests.support.fakes.stripe.cards import Card
from tests.support.fakes.stripe.state import Account, Document, Refusal, shown

_CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}


def create(account: Account, asked: Document) -> Document:
    money.check(asked["amount"], asked["currency"])
    if customer := asked.get("customer"):
        account.get(customer, "customer", param="customer")
    intent = account.add(
        "pi",
        {
            "object": "payment_intent",
            "amount": asked["amount"],
            "amount_received": 0,
            "currency": asked["currency"],
            "customer": asked.get("customer"),
            "description": asked.get("description"),
            "metadata": asked.get("metadata", {}),
            "setup_future_usage": asked.get("setup_future_usage"),
            "payment_method": None,
            "latest_charge": None,
            "last_payment_error": None,
            "next_action": None,
            "canceled_at": None,
            "status": "requires_payment_method",
        },
    )
    account.tell("payment_intent.created", intent)
    return intent


def confirm(account: Account, ref: str, asked: Document) -> Document:
    """Charge the method: at once, never, when the customer confirms it, or within days.

    :raises Refusal: 402 for a decline, 400 for an intent that cannot be confirmed (any more)
    """
    intent = account.get(ref, "payment_intent", param="intent")
    if intent["status"] not in _CONFIRMABLE:
        _unexpected(intent, "confirm")
    method = cards.method(account, asked.get("payment_method") or intent["payment_method"] or "")
    cards.usable(method, intent["customer"])
    card = cards.card_of(method)
    if card.needs_customer and not asked.get("off_session"):
        url = f"https://hooks.stripe.example/3ds/{ref}"
        intent |= {
            "status": "requires_action",
            "payment_method": method["id"],
            "next_action": {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": None}},
        }
        account.tell("payment_intent.requires_action", intent)
        return intent
    if card.needs_customer:
        needing = Card(card.last4, decline_code="authentication_required", code="authentication_required")
        return _declined(account, intent, method, needing)
    if card.decline_code or card.code != "card_declined":
        return _declined(account, intent, method, card)
    return _charged(account, intent, method, is_pending=card.kind != "card")


def cancel(account: Account, ref: str) -> Document:
    intent = account.get(ref, "payment_intent", param="intent")
    session = next((s for s in account.of("checkout.session") if s["payment_intent"] == ref), None)
    if session is not None and session["status"] == "open":
        said = "This PaymentIntent belongs to a Checkout Session: expire that."
        raise Refusal(400, "", said, payment_intent=shown(intent))
    if intent["status"] not in _CONFIRMABLE:
        _unexpected(intent, "cancel")
    return close(account, intent)


def close(account: Account, intent: Document) -> Document:
    intent |= {"status": "canceled", "canceled_at": account.now, "next_action": None}
    account.tell("payment_intent.canceled", intent)
    return intent


def settle(account: Account, ref: str, *, is_paid: bool) -> Document:
    """Say how a debit ended that took days."""
    intent = account.get(ref, "payment_intent")
    assert intent["status"] == "processing", intent
    charge = account.get(intent["latest_charge"], "charge")
    if is_paid:
        return _succeeded(account, intent, charge)
    charge |= {"status": "failed", "failure_code": "debit_not_authorized", "paid": False}
    intent |= {"status": "requires_payment_method", "last_payment_error": _error(Card(code="debit_not_authorized"))}
    account.tell("payment_intent.payment_failed", intent)
    return intent


def _charged(account: Account, intent: Document, method: Document, *, is_pending: bool) -> Document:
    charge = _charge(account, intent, method)
    method["#is_spent"] = True
    if intent["setup_future_usage"]:
        cards.attach(method, intent["customer"])
    intent |= {"payment_method": method["id"], "latest_charge": charge["id"], "next_action": None}
    if is_pending:
        intent |= {"status": "processing", "last_payment_error": None}
        charge["status"] = "pending"
        account.tell("payment_intent.processing", intent)
        return intent
    return _succeeded(account, intent, charge)


def _succeeded(account: Account, intent: Document, charge: Document) -> Document:
    booked = book(account, "charge", charge, amount=charge["amount"], fee=money.fee(charge["amount"]))
    charge |= {
        "status": "succeeded",
        "paid": True,
        "captured": True,
        "amount_captured": charge["amount"],
        "balance_transaction": booked["id"],
    }
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
    account.journal.append(
        {
            "what": "charge",
            "id": charge["id"],
            "intent": intent["id"],
            "amount": charge["amount"],
            "currency": charge["currency"],
            "worth": money.worth(charge["amount"], charge["currency"]),
            "business_key": intent["metadata"].get("business_key", ""),
            "at": account.now,
        }
    )
    account.tell("charge.succeeded", charge)
    account.tell("payment_intent.succeeded", intent)
    return intent


def _declined(account: Account, intent: Document, method: Document, card: Card) -> Document:
    charge = _charge(account, intent, method)
    error = _error(card) | {"charge": charge["id"]}
    charge |= {"status": "failed", "failure_code": card.code}
    intent |= {
        "status": "requires_payment_method",
        "latest_charge": charge["id"],
        "last_payment_error": error,
        "next_action": None,
    }
    account.tell("charge.failed", charge)
    account.tell("payment_intent.payment_failed", intent)
    refusal = Refusal(402, card.code, "Your card was declined.")
    refusal.body["error"] |= error | {"payment_intent": shown(intent)}
    raise refusal


def _error(card: Card) -> Document:
    said: Document = {"type": "card_error", "code": card.code, "message": "Your card was declined."}
    more = {
        "decline_code": card.decline_code,
        "advice_code": card.advice_code,
        "network_advice_code": card.network_advice_code,
    }
    return said | {name: value for name, value in more.items() if value}


def _charge(account: Account, intent: Document, method: Document) -> Document:
    return account.add(
        "ch",
        {
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": 0,
            "amount_refunded": 0,
            "captured": False,
            "paid": False,
            "disputed": False,
            "refunded": False,
            "currency": intent["currency"],
            "customer": intent["customer"],
            # A copy, as it was then: what is written into the intent later is not in it.
            "metadata": dict(intent["metadata"]),
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": cards.details(method),
            "balance_transaction": None,
            "status": "pending",
        },
    )


def book(account: Account, kind: str, source: Document, *, amount: int, fee: int) -> Document:
    """Write into the account's balance, in the currency of the charge."""
    return account.add(
        "txn",
        {
            "object": "balance_transaction",
            "type": kind,
            "reporting_category": kind,
            "amount": amount,
            "fee": fee,
            "net": amount - fee,
            "currency": source["currency"],
            "source": source["id"],
            "status": "available",
        },
    )


def _unexpected(intent: Document, verb: str) -> None:
    said = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
    raise Refusal(400, "payment_intent_unexpected_state", said, payment_intent=shown(intent))
