"""Payment intents: one payment each, tried until it succeeds or is canceled. It never charges twice.

The state machine is the table MOVES. A confirm of an intent that has succeeded, or that is processing, changes nothing
and returns it, which is what lets a caller without an answer confirm the same object again.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from simulated_provider import cards, methods, schemas, webhooks
from simulated_provider.accounts import Account
from simulated_provider.cards import Decline, Step, Way
from simulated_provider.methods import Means
from simulated_provider.state import Tx, new_id, stamp, unix
from simulated_provider.wire import Answer, Document, Problem

KIND = "payment_intent"


class Status(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


_TRIED = {
    Step.SUCCEED: Status.SUCCEEDED,
    Step.DECLINE: Status.REQUIRES_PAYMENT_METHOD,
    Step.PROCESS: Status.PROCESSING,
    Step.CHALLENGE: Status.REQUIRES_ACTION,
    Step.CANCEL: Status.CANCELED,
}

# Every move an intent can make. What is not in the table cannot happen.
MOVES: dict[Status, dict[Step, Status]] = {
    Status.REQUIRES_PAYMENT_METHOD: _TRIED | {Step.ATTACH: Status.REQUIRES_CONFIRMATION},
    Status.REQUIRES_CONFIRMATION: _TRIED | {Step.ATTACH: Status.REQUIRES_CONFIRMATION},
    Status.REQUIRES_ACTION: _TRIED,
    Status.PROCESSING: {Step.SUCCEED: Status.SUCCEEDED, Step.DECLINE: Status.REQUIRES_PAYMENT_METHOD},
    Status.SUCCEEDED: {},
    Status.CANCELED: {},
}
assert set(MOVES) == set(Status)

ANNOUNCED = {
    Step.SUCCEED: "payment_intent.succeeded",
    Step.DECLINE: "payment_intent.payment_failed",
    Step.PROCESS: "payment_intent.processing",
    Step.CHALLENGE: "payment_intent.requires_action",
    Step.CANCEL: "payment_intent.canceled",
}
CHARGED = {Step.SUCCEED: "succeeded", Step.DECLINE: "failed", Step.PROCESS: "pending"}
SETTLED = {Status.SUCCEEDED, Status.PROCESSING}


def create(tx: Tx, account: Account, asked: schemas.NewPaymentIntent, *, base_url: str, now: datetime) -> Answer:
    """Prepare a payment; nothing is charged before it is confirmed."""
    intent: Document = {
        "id": new_id("pi"),
        "object": KIND,
        "status": Status.REQUIRES_PAYMENT_METHOD,
        "payment_method_details": None,
        "last_error": None,
        "next_action": None,
        "charge": None,
        "amount_received": 0,
        "amount_refunded": 0,
        "created": unix(now),
        "livemode": False,
        "_base_url": base_url,
        **asked.model_dump(),
    }
    if asked.payment_method is not None:
        means = methods.of(tx, account.id, asked.payment_method)
        intent |= {"payment_method_details": means.details, "status": Status.REQUIRES_CONFIRMATION}
    tx.add(account.id, intent)
    return Answer(intent)


def confirm(tx: Tx, account: Account, intent_id: str, asked: schemas.Confirmation, *, now: datetime) -> Answer:
    """Charge the intent's method, or another one that is given with the call.

    :raises Problem: 400 canceled or without a method, 404, 503 where the card's network is down
    """
    intent = tx.get(account.id, KIND, intent_id)
    if intent["status"] in SETTLED:
        return Answer(intent)
    method_id = asked.payment_method or intent["payment_method"]
    if method_id is None:
        raise Problem(400, "payment_method_missing", "There is no payment method to charge.", param="payment_method")
    off_session = intent["off_session"] if asked.off_session is None else asked.off_session
    means = methods.of(tx, account.id, method_id)
    return attempt(tx, account, intent, means=means, off_session=off_session, now=now)


def attempt(tx: Tx, account: Account, intent: Document, *, means: Means, off_session: bool, now: datetime) -> Answer:
    """Try a card on an intent, as the card's row in the table has it."""
    if intent["status"] == Status.CANCELED:
        raise _unexpected(intent, "confirmed")
    card = means.card
    if card.way is Way.DOWN:
        raise Problem(503, "network_down", "The card network cannot be reached. Nothing was charged.")
    if card.way is Way.DROP_FIRST and tx.count(account.id, f"{intent['id']}:{card.token}") == 0:
        return Answer(intent, is_lost=True, is_replayable=False)
    uses = tx.count(account.id, f"{_holder(intent, means)}:{card.token}")
    step, decline = cards.verdict(card, off_session=off_session, uses=uses)
    intent["payment_method_details"] = means.details
    if means.id is not None:
        intent["payment_method"] = means.id
    if step is Step.CHALLENGE:
        # Kept aside, so that the approval charges this card even if it was typed and has no id.
        intent["next_action"] = {"type": "redirect_to_url", "url": f"{intent['_base_url']}/authenticate/{intent['id']}"}
        intent["_challenged"] = {"token": card.token, "details": means.details, "id": means.id}
    move(tx, account, intent, step=step, means=means, decline=decline, now=now)
    if step is Step.PROCESS:
        due_at = now + timedelta(seconds=account.async_delay_s)
        tx.run("insert or replace into due values(?, ?, ?)", account.id, stamp(due_at), intent["id"])
    return answer_of(intent, card_way=card.way, late_by_s=account.slow_s)


def answer_of(intent: Document, *, card_way: Way, late_by_s: float) -> Answer:
    is_lost, late = card_way is Way.CHARGE_AND_DROP, late_by_s if card_way is Way.SLOW else 0
    if intent["status"] != Status.REQUIRES_PAYMENT_METHOD:
        return Answer(intent, is_lost=is_lost, late_by_s=late)
    error = {"type": "card_error", "param": None, **intent["last_error"], "payment_intent": intent}
    return Answer({"error": error}, status=402, is_lost=is_lost, late_by_s=late)


def authenticate(tx: Tx, account: Account, intent_id: str, *, approve: bool, now: datetime) -> Answer:
    """Do what the customer's bank would after the challenge: let the payment through or not."""
    intent = tx.get(account.id, KIND, intent_id)
    if intent["status"] != Status.REQUIRES_ACTION:
        raise _unexpected(intent, "authenticated")
    kept = intent.pop("_challenged")
    means = Means(cards.BY_TOKEN[kept["token"]], kept["details"], kept["id"])
    step, decline = (Step.SUCCEED, None) if approve else (Step.DECLINE, cards.REFUSED)
    move(tx, account, intent, step=step, means=means, decline=decline, now=now)
    return answer_of(intent, card_way=means.card.way, late_by_s=0)


def cancel(tx: Tx, account: Account, intent_id: str, *, now: datetime) -> Answer:
    """Give the payment up; a canceled intent stays so, one that settled or may still settle is refused."""
    intent = tx.get(account.id, KIND, intent_id)
    if intent["status"] != Status.CANCELED:
        intent["canceled_at"] = unix(now)
        move(tx, account, intent, step=Step.CANCEL, means=None, decline=None, now=now)
    return Answer(intent)


def settle(tx: Tx, account: Account, intent_id: str, *, now: datetime) -> None:
    """Bring what was processing to its end, dated when it fell due."""
    intent = tx.get(account.id, KIND, intent_id)
    token = tx.get(account.id, "charge", intent["charge"])["test_card"]
    card = cards.BY_TOKEN[token]
    is_declined = card.way is Way.LATER_DECLINE
    step, decline = (Step.DECLINE, card.decline) if is_declined else (Step.SUCCEED, None)
    means = Means(card, intent["payment_method_details"], intent["payment_method"])
    move(tx, account, intent, step=step, means=means, decline=decline, now=now)


def move(
    tx: Tx,
    account: Account,
    intent: Document,
    *,
    step: Step,
    means: Means | None,
    decline: Decline | None,
    now: datetime,
) -> None:
    """Take one step of the table: the intent, its charge and the event, together."""
    before = Status(intent["status"])
    if step not in MOVES[before]:
        raise _unexpected(intent, "canceled" if step is Step.CANCEL else "confirmed")
    intent["status"] = MOVES[before][step]
    if step is not Step.CHALLENGE:
        intent["next_action"] = None
        intent.pop("_challenged", None)
    if decline is not None:
        intent["last_error"] = methods.declined_error(decline)
    if step in {Step.SUCCEED, Step.PROCESS} and means is not None:
        intent["last_error"] = None
        if intent["setup_future_usage"] and not methods.is_saved(means):
            intent["payment_method"] = methods.save(
                tx, account.id, means=means, customer=intent["customer"], now=now
            ).id
    if step is Step.SUCCEED:
        intent["amount_received"] = intent["amount"]
    if step in CHARGED and means is not None:
        _charge(tx, account, intent, means=means, status=CHARGED[step], settles=before is Status.PROCESSING, now=now)
    tx.save(intent)
    webhooks.announce(tx, account.id, kind=ANNOUNCED[step], of=intent, now=now)


def _charge(
    tx: Tx, account: Account, intent: Document, *, means: Means, status: str, settles: bool, now: datetime
) -> None:
    changing = {"status": status, "at": stamp(now), "failure": intent["last_error"]}
    if settles:
        tx.save(tx.get(account.id, "charge", intent["charge"]) | changing)
        return
    charge: Document = {
        "id": new_id("ch"),
        "object": "charge",
        "payment_intent": intent["id"],
        "amount": intent["amount"],
        "amount_refunded": 0,
        "refunded": False,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "payment_method_details": means.details,
        "test_card": means.card.token,
        "metadata": intent["metadata"],
        "created": unix(now),
        "livemode": False,
        **changing,
    }
    tx.add(account.id, charge)
    intent["charge"] = charge["id"]


def _holder(intent: Document, means: Means) -> str:
    """Whose uses of a card are counted together: the customer's, else those of the saved method, else the intent's."""
    saved = means.id if methods.is_saved(means) else None
    return str(intent["customer"] or saved or intent["id"])


def _unexpected(intent: Document, done: str) -> Problem:
    message = f"A payment that is {intent['status']} cannot be {done}."
    return Problem(400, "intent_unexpected_state", message, payment_intent=intent)
