"""Disputes: a cardholder's bank takes a charge back, as a whole or in part, and decides later.

Only tests and operators make them (`/sim/accounts/{account}/disputes`); merchants read them, and hear of them by webhook.
What a bank holds or has taken cannot be refunded.
"""

from datetime import datetime, timedelta

from simulated_provider import intents, schemas, webhooks
from simulated_provider.accounts import Account
from simulated_provider.intents import Status
from simulated_provider.state import Tx, new_id, stamp, unix
from simulated_provider.wire import Document, Problem

KIND = "dispute"
FEE = 1500
RESPOND_WITHIN = timedelta(days=7)

# What each move leads to, and what it is told by. What is decided is over.
MOVES: dict[str, dict[str, str]] = {
    "warning_needs_response": {"needs_response": "charge.dispute.funds_withdrawn", "won": "charge.dispute.closed"},
    "needs_response": {"won": "charge.dispute.closed", "lost": "charge.dispute.closed"},
    "won": {},
    "lost": {},
}


def create(tx: Tx, account: Account, asked: schemas.NewDispute, *, now: datetime) -> Document:
    """Take back all that is left of a charge, or an amount; as an inquiry, only ask about it.

    :raises Problem: 400 not captured, or above what is left; 404
    """
    intent = tx.get(account.id, intents.KIND, asked.payment_intent)
    if intent["status"] != Status.SUCCEEDED:
        raise Problem(400, "intent_unexpected_state", "Only a payment that succeeded can be disputed.")
    left = left_of(intent)
    amount = left if asked.amount is None else asked.amount
    if not 0 < amount <= left:
        raise Problem(400, "amount_exceeds_captured", f"Only {left} is left of the charge.", param="amount")
    dispute: Document = {
        "id": new_id("dp"),
        "object": KIND,
        "payment_intent": intent["id"],
        "charge": intent["charge"],
        "amount": amount,
        "currency": intent["currency"],
        "status": "warning_needs_response" if asked.inquiry else "needs_response",
        "reason": asked.reason,
        "fee": None if asked.inquiry else asked.fee,
        "evidence_due_by": unix(now + RESPOND_WITHIN),
        "metadata": {},
        "at": stamp(now),
        "created": unix(now),
        "livemode": False,
    }
    tx.add(account.id, dispute)
    if not asked.inquiry:
        _hold(tx, intent, amount)
    webhooks.announce(tx, account.id, kind="charge.dispute.created", of=dispute, now=now)
    return dispute


def move(tx: Tx, account: Account, dispute_id: str, asked: schemas.DisputeMove, *, now: datetime) -> Document:
    """Turn an inquiry into a dispute, or decide it.

    :raises Problem: 400 it is decided, or an inquiry cannot be lost; 404
    """
    dispute = tx.get(account.id, KIND, dispute_id)
    before = dispute["status"]
    told = MOVES[before].get(asked.status)
    if told is None:
        raise Problem(400, "dispute_unexpected_state", f"A dispute that is {before} cannot become {asked.status}.")
    intent = tx.get(account.id, intents.KIND, dispute["payment_intent"])
    if asked.status == "needs_response":
        if dispute["amount"] > left_of(intent):
            raise Problem(400, "amount_exceeds_captured", f"Only {left_of(intent)} is left of the charge.")
        dispute["fee"] = FEE
        _hold(tx, intent, dispute["amount"])
    if asked.status == "won" and before == "needs_response":
        _hold(tx, intent, -dispute["amount"])
    dispute["status"] = asked.status
    tx.save(dispute)
    webhooks.announce(tx, account.id, kind=told, of=dispute, now=now)
    return dispute


def left_of(intent: Document) -> int:
    """Return what of a captured payment is neither refunded nor with a bank."""
    return int(intent["amount_received"] - intent["amount_refunded"] - intent.get("_amount_disputed", 0))


def _hold(tx: Tx, intent: Document, amount: int) -> None:
    intent["_amount_disputed"] = intent.get("_amount_disputed", 0) + amount
    tx.save(intent)
