"""Payment methods: a card that was saved, known by its pm_ id. The number itself is never written down."""

from dataclasses import dataclass
from datetime import datetime

from simulated_provider import cards, schemas, webhooks
from simulated_provider.cards import Card, Decline
from simulated_provider.state import Tx, new_id, unix
from simulated_provider.wire import Document, Problem

KIND = "payment_method"
RENEWED_FOR_YEARS = 4


@dataclass(frozen=True, slots=True)
class Means:
    """A card in hand: which one, what may be shown of it, and its pm_ id once saved (a token's own until then)."""

    card: Card
    details: Document
    id: str | None


def typed(given: schemas.CardDetails, *, now: datetime) -> Means:
    """Take a number that somebody typed.

    :raises Problem: it is no test card, or its date is past
    """
    card = cards.BY_NUMBER.get(given.number.replace(" ", ""))
    if card is None:
        raise Problem(400, "not_a_test_card", "Only the listed test cards work here. Never enter a real card.",
                      param="number")  # fmt: skip
    if (given.exp_year, given.exp_month) < (now.year, now.month):
        raise Problem(400, "invalid_expiry", "The card's expiry date is in the past.", param="expiry")
    return Means(card, cards.details(card, exp_month=given.exp_month, exp_year=given.exp_year), None)


def of(tx: Tx, account: str, method_id: str) -> Means:
    """Return the card behind a saved method or a test token.

    :raises Problem: 404 unknown, 400 detached
    """
    if card := cards.BY_TOKEN.get(method_id):
        return Means(card, cards.details(card), method_id)
    method = tx.get(account, KIND, method_id)
    if method["detached"]:
        raise Problem(400, "payment_method_detached", "This payment method was detached.", param="payment_method")
    return Means(cards.BY_TOKEN[method["test_card"]], method["card"], method_id)


def is_saved(means: Means) -> bool:
    return means.id is not None and means.id not in cards.BY_TOKEN


def save(tx: Tx, account: str, *, means: Means, customer: str | None, now: datetime) -> Means:
    """Keep a card for later; one that is kept already stays as it is."""
    if is_saved(means):
        return means
    method = _shown(means, method_id=new_id("pm"), customer=customer, now=now)
    tx.add(account, method)
    webhooks.announce(tx, account, kind="payment_method.attached", of=method, now=now)
    return Means(means.card, means.details, method["id"])


def show(tx: Tx, account: str, method_id: str, *, now: datetime) -> Document:
    if card := cards.BY_TOKEN.get(method_id):
        return _shown(Means(card, cards.details(card), method_id), method_id=method_id, customer=None, now=now)
    return tx.get(account, KIND, method_id)


def detach(tx: Tx, account: str, method_id: str, *, now: datetime) -> Document:
    """Forget a saved card for good; again changes nothing."""
    method = tx.get(account, KIND, method_id)
    if not method["detached"]:
        was = {"customer": method["customer"]}
        method |= {"detached": True, "customer": None}
        tx.save(method)
        webhooks.announce(tx, account, kind="payment_method.detached", of=method, was=was, now=now)
    return method


def renew(tx: Tx, account: str, method_id: str, asked: schemas.Renewal, *, now: datetime) -> Document:
    """Have the bank of a saved card issue it anew, as networks tell of it: with a later date, and another number if given.

    :raises Problem: 404 unknown, 400 detached, no test card or a date that is past
    """
    means, method = of(tx, account, method_id), tx.get(account, KIND, method_id)
    was = {"card": method["card"]}
    given = schemas.CardDetails(
        number=asked.number or means.card.number,
        exp_month=asked.exp_month or means.details["exp_month"],
        exp_year=asked.exp_year or means.details["exp_year"] + RENEWED_FOR_YEARS,
    )
    renewed = typed(given, now=now)
    method |= {"card": renewed.details, "test_card": renewed.card.token}
    tx.save(method)
    webhooks.announce(tx, account, kind="payment_method.automatically_updated", of=method, was=was, now=now)
    return method


def declined_error(decline: Decline) -> Document:
    return {"code": decline.code, "decline_code": decline.decline_code, "message": decline.message}


def _shown(means: Means, *, method_id: str, customer: str | None, now: datetime) -> Document:
    return {
        "id": method_id,
        "object": KIND,
        "type": "card",
        "card": means.details,
        "test_card": means.card.token,
        "customer": customer,
        "detached": False,
        "metadata": {},
        "created": unix(now),
        "livemode": False,
    }
