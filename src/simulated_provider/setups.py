"""Setup intents: save a card without charging it, after the bank has been asked whether it exists."""

from datetime import datetime

from simulated_provider import cards, methods, schemas, webhooks
from simulated_provider.accounts import Account
from simulated_provider.cards import Decline, Way
from simulated_provider.intents import Status
from simulated_provider.methods import Means
from simulated_provider.state import Tx, new_id, unix
from simulated_provider.wire import Answer, Document, Problem

KIND = "setup_intent"


def create(tx: Tx, account: Account, asked: schemas.NewSetupIntent, *, base_url: str, now: datetime) -> Answer:
    means = _means(tx, account, asked.payment_method, asked.card, now=now)
    setup: Document = {
        "id": new_id("seti"),
        "object": KIND,
        "status": Status.REQUIRES_CONFIRMATION if means else Status.REQUIRES_PAYMENT_METHOD,
        "customer": asked.customer,
        "payment_method": means.id if means else None,
        "payment_method_details": means.details if means else None,
        "_offered": _kept(means) if means else None,
        "metadata": asked.metadata,
        "last_error": None,
        "next_action": None,
        "created": unix(now),
        "livemode": False,
        "_base_url": base_url,
    }
    tx.add(account.id, setup)
    return Answer(setup)


def confirm(tx: Tx, account: Account, setup_id: str, asked: schemas.SetupConfirmation, *, now: datetime) -> Answer:
    """Save the card that was offered, or another one that is given with the call; a saved one stays saved.

    :raises Problem: 400 canceled or without a card, 404, 503
    """
    setup = tx.get(account.id, KIND, setup_id)
    means = _means(tx, account, asked.payment_method, asked.card, now=now)
    if means is None and setup["_offered"]:
        means = _unkept(setup["_offered"])
    if setup["status"] == Status.SUCCEEDED:
        return Answer(setup)
    if means is None:
        raise Problem(400, "payment_method_missing", "There is no card to save.", param="payment_method")
    return attempt(tx, account, setup, means=means, now=now)


def attempt(tx: Tx, account: Account, setup: Document, *, means: Means, now: datetime) -> Answer:
    if setup["status"] == Status.CANCELED:
        raise Problem(400, "intent_unexpected_state", "A setup that is canceled cannot be confirmed.")
    card = means.card
    if card.way is Way.DOWN:
        raise Problem(503, "network_down", "The card network cannot be reached. Nothing was saved.")
    if card.way is Way.DROP_FIRST and tx.count(account.id, f"{setup['id']}:{card.token}") == 0:
        return Answer(setup, is_lost=True, is_replayable=False)
    setup["_offered"], setup["payment_method_details"] = _kept(means), means.details
    if card.way is Way.AUTHENTICATE:
        setup |= {"status": Status.REQUIRES_ACTION, "next_action": _challenge(setup)}
        tx.save(setup)
        webhooks.announce(tx, account.id, kind="setup_intent.requires_action", of=setup, now=now)
        return Answer(setup)
    answer = _finish(tx, account, setup, means=means, decline=None if card.can_be_saved else card.decline, now=now)
    late = account.slow_s if card.way is Way.SLOW else 0
    return Answer(answer.body, status=answer.status, is_lost=card.way is Way.CHARGE_AND_DROP, late_by_s=late)


def authenticate(tx: Tx, account: Account, setup_id: str, *, approve: bool, now: datetime) -> Answer:
    setup = tx.get(account.id, KIND, setup_id)
    if setup["status"] != Status.REQUIRES_ACTION:
        raise Problem(400, "intent_unexpected_state", f"A setup that is {setup['status']} waits for no approval.")
    decline = None if approve else cards.REFUSED
    return _finish(tx, account, setup, means=_unkept(setup["_offered"]), decline=decline, now=now)


def cancel(tx: Tx, account: Account, setup_id: str, *, now: datetime) -> Answer:
    setup = tx.get(account.id, KIND, setup_id)
    if setup["status"] == Status.SUCCEEDED:
        raise Problem(400, "intent_unexpected_state", "A setup that succeeded cannot be canceled.")
    if setup["status"] != Status.CANCELED:
        setup |= {"status": Status.CANCELED, "next_action": None}
        tx.save(setup)
        webhooks.announce(tx, account.id, kind="setup_intent.canceled", of=setup, now=now)
    return Answer(setup)


def _finish(
    tx: Tx, account: Account, setup: Document, *, means: Means, decline: Decline | None, now: datetime
) -> Answer:
    setup["next_action"] = None
    if decline is not None:
        setup |= {"status": Status.REQUIRES_PAYMENT_METHOD, "last_error": methods.declined_error(decline)}
        tx.save(setup)
        webhooks.announce(tx, account.id, kind="setup_intent.setup_failed", of=setup, now=now)
        error = {"type": "card_error", "param": None, **setup["last_error"], "setup_intent": setup}
        return Answer({"error": error}, status=402)
    saved = methods.save(tx, account.id, means=means, customer=setup["customer"], now=now)
    setup |= {"status": Status.SUCCEEDED, "payment_method": saved.id, "last_error": None}
    tx.save(setup)
    webhooks.announce(tx, account.id, kind="setup_intent.succeeded", of=setup, now=now)
    return Answer(setup)


def _means(
    tx: Tx, account: Account, method_id: str | None, card: schemas.CardDetails | None, *, now: datetime
) -> Means | None:
    if method_id and card:
        raise Problem(400, "parameter_invalid", "Give a payment method or a card, not both.", param="card")
    if card:
        return methods.typed(card, now=now)
    return methods.of(tx, account.id, method_id) if method_id else None


def _kept(means: Means) -> Document:
    return {"token": means.card.token, "details": means.details, "id": means.id}


def _unkept(kept: Document) -> Means:
    return Means(cards.BY_TOKEN[kept["token"]], kept["details"], kept["id"])


def _challenge(setup: Document) -> Document:
    return {"type": "redirect_to_url", "url": f"{setup['_base_url']}/authenticate/{setup['id']}"}
