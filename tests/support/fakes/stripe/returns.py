"""Refunds, and disputes that a test opens."""

from tests.support.fakes.stripe import intents, money
from tests.support.fakes.stripe.state import Account, Document, Refusal

DISPUTE_FEE = 1500


def refund(account: Account, asked: Document) -> Document:
    intent = account.get(asked.get("payment_intent", ""), "payment_intent", param="payment_intent")
    charge = account.objects.get(intent["latest_charge"] or "")
    if charge is None or charge["status"] != "succeeded":
        raise Refusal(400, "", "This PaymentIntent does not have a successful charge to refund.")
    if charge["disputed"]:
        raise Refusal(400, "charge_disputed", "This charge has been charged back.")
    left = charge["amount"] - charge["amount_refunded"]
    amount = asked.get("amount", left)
    if left == 0:
        raise Refusal(400, "charge_already_refunded", "The charge has already been refunded.")
    if amount > left:
        raise Refusal(400, "", f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).")
    money.check(amount, charge["currency"])
    made = account.add(
        "re",
        {
            "object": "refund",
            "amount": amount,
            "currency": charge["currency"],
            "charge": charge["id"],
            "payment_intent": intent["id"],
            "metadata": asked.get("metadata", {}),
            "failure_reason": None,
            "status": account.refunds_begin,
        },
    )
    made["balance_transaction"] = intents.book(account, "refund", made, amount=-amount, fee=0)["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    account.journal.append(
        {
            "what": "refund",
            "id": made["id"],
            "intent": intent["id"],
            "amount": amount,
            "currency": charge["currency"],
            "worth": money.worth(amount, charge["currency"]),
            "business_key": made["metadata"].get("business_key", ""),
            "at": account.now,
        }
    )
    account.tell("charge.refunded", charge)
    account.tell("refund.created", made)
    return made


def fail(account: Account, ref: str) -> Document:
    """Have a refund come back: the customer's bank did not take it."""
    found = account.get(ref, "refund")
    charge = account.get(found["charge"], "charge")
    charge["amount_refunded"] -= found["amount"]
    charge["refunded"] = False
    found |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    account.journal = [each for each in account.journal if each["id"] != ref]
    account.tell("refund.failed", found)
    return found


def dispute(
    account: Account, intent_ref: str, *, amount: int | None = None, status: str = "needs_response"
) -> Document:
    """Open a dispute, or an inquiry: a dispute takes the money and a fee at once."""
    intent = account.get(intent_ref, "payment_intent")
    charge = account.get(intent["latest_charge"], "charge")
    made = account.add(
        "du",
        {
            "object": "dispute",
            "amount": amount or charge["amount"],
            "currency": charge["currency"],
            "charge": charge["id"],
            "payment_intent": intent_ref,
            "reason": "fraudulent",
            "status": status,
            "evidence_details": {"due_by": account.now + 9 * 86400, "has_evidence": False, "past_due": False},
            "balance_transactions": [],
            "metadata": {},
        },
    )
    account.tell("charge.dispute.created", made)
    if not status.startswith("warning"):
        _withdraw(account, made, charge)
    return made


def decide(account: Account, ref: str, status: str) -> Document:
    """Have the bank decide (won, lost), or move it on (under_review, needs_response after an inquiry)."""
    found = account.get(ref, "dispute")
    charge = account.get(found["charge"], "charge")
    was_inquiry = found["status"].startswith("warning")
    found["status"] = status
    if was_inquiry and status == "needs_response":
        _withdraw(account, found, charge)
    if status == "won" and found["balance_transactions"]:
        back = intents.book(account, "adjustment", found, amount=found["amount"], fee=0)
        found["balance_transactions"].append(_line(back))
        account.tell("charge.dispute.funds_reinstated", found)
    is_over = status in {"won", "lost", "warning_closed", "prevented"}
    account.tell(f"charge.dispute.{'closed' if is_over else 'updated'}", found)
    return found


def _withdraw(account: Account, found: Document, charge: Document) -> None:
    charge["disputed"] = True
    taken = intents.book(account, "adjustment", found, amount=-found["amount"], fee=DISPUTE_FEE)
    found["balance_transactions"].append(_line(taken))
    account.tell("charge.dispute.funds_withdrawn", found)


def _line(booked: Document) -> Document:
    return {name: value for name, value in booked.items() if name != "#"}
