"""Checkout Sessions and their page, and SetupIntents."""

from urllib.parse import quote

from tests.support.fakes.stripe import cards, intents, money
from tests.support.fakes.stripe.state import Account, Document, Refusal, shown

PAGE_LIFE_S = 24 * 3600


def create(account: Account, asked: Document, *, base_url: str) -> Document:
    mode = asked.get("mode")
    if mode not in {"payment", "setup"}:
        raise Refusal(400, "parameter_invalid", "This fake knows payment and setup.", param="mode")
    if customer := asked.get("customer"):
        account.get(customer, "customer", param="customer")
    if not asked.get("success_url"):
        raise Refusal(400, "parameter_missing", "Missing required param: success_url.", param="success_url")
    if mode == "setup" and not (asked.get("allowed_payment_method_types") or asked.get("currency")):
        raise Refusal(400, "parameter_missing", "Missing required param: currency.", param="currency")
    amount, currency = _total(asked) if mode == "payment" else (None, asked.get("currency"))
    session = account.add(
        "cs",
        {
            "object": "checkout.session",
            "mode": mode,
            "amount_total": amount,
            "amount_subtotal": amount,
            "currency": currency,
            "customer": asked.get("customer"),
            "client_reference_id": asked.get("client_reference_id"),
            "metadata": asked.get("metadata", {}),
            "payment_intent": None,
            "setup_intent": None,
            "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
            "status": "open",
            "expires_at": asked.get("expires_at", account.now + PAGE_LIFE_S),
            "success_url": asked["success_url"],
            "cancel_url": asked.get("cancel_url"),
            "#payment": asked.get("payment_intent_data", {}),
            "#setup": asked.get("setup_intent_data", {}),
        },
    )
    session["url"] = f"{base_url}/c/pay/{session['id']}?of={quote(account.id)}"
    return session


def fresh(account: Account, session: Document) -> Document:
    """Close it if its day is over."""
    if session["status"] == "open" and account.now >= session["expires_at"]:
        _expire(account, session)
    return session


def expire(account: Account, ref: str) -> Document:
    session = fresh(account, account.get(ref, "checkout.session", param="session"))
    if session["status"] != "open":
        said = f"Only Checkout Sessions with a status in ['open'] can be expired. It is {session['status']}."
        raise Refusal(400, "", said)
    return _expire(account, session)


def pay(account: Account, ref: str, token: str) -> Document:
    """Do what the customer does on the page.

    :raises Refusal: the card is declined (the page stays open), or the page is closed
    """
    session = fresh(account, account.get(ref, "checkout.session", param="session"))
    if session["status"] != "open":
        raise Refusal(400, "", "This page is closed.")
    return _paid(account, session, token) if session["mode"] == "payment" else _saved(account, session, token)


def _paid(account: Account, session: Document, token: str) -> Document:
    if session["payment_intent"] is None:
        # It is made when the customer pays, not with the session.
        asked = {
            "amount": session["amount_total"],
            "currency": session["currency"],
            "customer": session["customer"],
            **session["#payment"],
        }
        session["payment_intent"] = intents.create(account, asked)["id"]
    intent = intents.confirm(account, session["payment_intent"], {"payment_method": token})
    if intent["status"] == "requires_action":
        return session
    session |= {"status": "complete", "url": None}
    session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
    account.tell("checkout.session.completed", session)
    return session


def settle(account: Account, ref: str, *, is_paid: bool) -> Document:
    """Say how a debit ended that was begun on a page."""
    session = account.get(ref, "checkout.session")
    intents.settle(account, session["payment_intent"], is_paid=is_paid)
    session["payment_status"] = "paid" if is_paid else "unpaid"
    account.tell(f"checkout.session.async_payment_{'succeeded' if is_paid else 'failed'}", session)
    return session


def _saved(account: Account, session: Document, token: str) -> Document:
    asked = {"customer": session["customer"], "payment_method": token, "confirm": True, **session["#setup"]}
    setup = create_setup(account, asked)
    session |= {"status": "complete", "url": None, "setup_intent": setup["id"]}
    account.tell("checkout.session.completed", session)
    return session


def _expire(account: Account, session: Document) -> Document:
    session |= {"status": "expired", "url": None}
    if session["payment_intent"]:
        intents.close(account, account.get(session["payment_intent"], "payment_intent"))
    account.tell("checkout.session.expired", session)
    return session


def _total(asked: Document) -> tuple[int, str]:
    items = asked.get("line_items") or []
    if not items:
        raise Refusal(400, "parameter_missing", "Missing required param: line_items.", param="line_items")
    prices = [item["price_data"] for item in items]
    [currency] = {price["currency"] for price in prices}
    total = sum(price["unit_amount"] * item.get("quantity", 1) for price, item in zip(prices, items, strict=True))
    money.check(total, currency)
    return total, currency


def create_setup(account: Account, asked: Document) -> Document:
    """Make a SetupIntent, and with `confirm` save its method at once."""
    setup = account.add(
        "seti",
        {
            "object": "setup_intent",
            "customer": asked.get("customer"),
            "metadata": asked.get("metadata", {}),
            "payment_method": None,
            "last_setup_error": None,
            "next_action": None,
            "usage": asked.get("usage", "off_session"),
            "status": "requires_payment_method",
        },
    )
    if not asked.get("confirm"):
        return setup
    method = cards.method(account, asked.get("payment_method", ""))
    cards.usable(method, asked.get("customer"))
    card = cards.card_of(method)
    if (card.decline_code or card.code != "card_declined") and not card.is_saved_all_the_same:
        error = {"type": "card_error", "code": card.code, "decline_code": card.decline_code, "message": "Declined."}
        setup["last_setup_error"] = error
        account.tell("setup_intent.setup_failed", setup)
        refusal = Refusal(402, card.code, "Your card was declined.")
        refusal.body["error"] |= error | {"setup_intent": shown(setup)}
        raise refusal
    cards.attach(method, asked.get("customer"))
    setup |= {"status": "succeeded", "payment_method": method["id"]}
    account.tell("setup_intent.succeeded", setup)
    return setup


def cancel_setup(account: Account, ref: str) -> Document:
    setup = account.get(ref, "setup_intent", param="intent")
    if setup["status"] in {"succeeded", "canceled"}:
        raise Refusal(400, "setup_intent_unexpected_state", f"This SetupIntent is {setup['status']}.")
    setup |= {"status": "canceled", "next_action": None}
    account.tell("setup_intent.canceled", setup)
    return setup
