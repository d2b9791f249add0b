"""Refunds: money back, never more than was captured, whoever asks at once."""

from datetime import datetime

from simulated_provider import disputes, intents, schemas, webhooks
from simulated_provider.accounts import Account
from simulated_provider.intents import Status
from simulated_provider.state import Tx, new_id, stamp, unix
from simulated_provider.wire import Answer, Document, Problem

KIND = "refund"


def create(tx: Tx, account: Account, asked: schemas.NewRefund, *, now: datetime) -> Answer:
    """Give back all that is left, or the amount asked for.

    :raises Problem: 400 not captured, or above what is left; 404
    """
    intent = tx.get(account.id, intents.KIND, asked.payment_intent)
    if intent["status"] != Status.SUCCEEDED:
        raise Problem(400, "intent_unexpected_state", "Only a payment that succeeded can be refunded.")
    left = disputes.left_of(intent)
    amount = left if asked.amount is None else asked.amount
    if intent.get("_amount_disputed") and not 0 < amount <= left:
        raise Problem(400, "charge_disputed", f"The charge is disputed: only {left} can be refunded.", param="amount")
    if not 0 < amount <= left:
        message = f"Only {left} of {intent['amount_received']} can still be refunded."
        raise Problem(400, "amount_exceeds_captured", message, param="amount")
    refund: Document = {
        "id": new_id("re"),
        "object": KIND,
        "payment_intent": intent["id"],
        "charge": intent["charge"],
        "amount": amount,
        "currency": intent["currency"],
        "status": "succeeded",
        "reason": asked.reason,
        "metadata": asked.metadata,
        "at": stamp(now),
        "created": unix(now),
        "livemode": False,
    }
    tx.add(account.id, refund)
    intent["amount_refunded"] += amount
    tx.save(intent)
    charge = tx.get(account.id, "charge", intent["charge"])
    charge["amount_refunded"] = intent["amount_refunded"]
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    tx.save(charge)
    webhooks.announce(tx, account.id, kind="charge.refunded", of=charge, now=now)
    webhooks.announce(tx, account.id, kind="refund.updated", of=refund, now=now)
    return Answer(refund)
