"""Stripe's tokens of test methods, and what comes of charging or saving each."""

from dataclasses import dataclass

from tests.support.fakes.stripe.state import Account, Document, Refusal


@dataclass(frozen=True, slots=True)
class Card:
    last4: str = "4242"
    brand: str = "visa"
    decline_code: str = ""
    code: str = "card_declined"
    advice_code: str = ""
    network_advice_code: str = ""
    needs_customer: bool = False
    is_saved_all_the_same: bool = False
    kind: str = "card"
    exp_year: int = 2031


CARDS: dict[str, Card] = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card("4444", "mastercard"),
    "pm_card_amex": Card("0005", "amex"),
    "pm_card_chargeCustomerFail": Card("0341", decline_code="generic_decline", is_saved_all_the_same=True),
    "pm_card_visa_chargeDeclined": Card("0002", decline_code="generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card("9995", decline_code="insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": Card("9987", decline_code="lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": Card("9979", decline_code="stolen_card"),
    "pm_card_visa_chargeDeclinedFraudulent": Card("0019", decline_code="fraudulent"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": Card("6975", decline_code="card_velocity_exceeded"),
    "pm_card_chargeDeclinedExpiredCard": Card("0069", code="expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card("0127", code="incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card("0119", code="processing_error"),
    "pm_card_authenticationRequired": Card("3184", needs_customer=True),
    # Not among Stripe's: what the networks add to a decline, and an account that is debited within days.
    "pm_fake_stopped": Card(
        "0341", "mastercard", decline_code="generic_decline", advice_code="do_not_try_again", network_advice_code="03"
    ),
    "pm_fake_unheard_of": Card("0341", decline_code="no\x00funds"),
    "pm_usBankAccount": Card("6789", kind="us_bank_account"),
    # The number of pm_card_visa, with the date of the card that its bank sent next.
    "pm_fake_visa_with_a_later_date": Card(exp_year=2035),
}


def method(account: Account, token: str) -> Document:
    """Return the method of this id, or a new one of this test token; its card is kept beside it.

    :raises Refusal: there is none
    """
    known = account.objects.get(token)
    if known is not None and known["object"] == "payment_method":
        return known
    card = CARDS.get(token)
    if card is None:
        raise Refusal(400, "resource_missing", f"No such PaymentMethod: '{token}'", param="payment_method")
    return account.add("pm", _method(card) | {"#token": token})


def card_of(method: Document) -> Card:
    return CARDS[method["#token"]]


def _method(card: Card) -> Document:
    # Alike for a number, whatever its date.
    about: Document = {"last4": card.last4, "fingerprint": f"{card.kind}{card.brand}{card.last4}"}
    if card.kind == "card":
        about |= {"brand": card.brand, "exp_month": 11, "exp_year": card.exp_year, "funding": "credit", "country": "US"}
    return {"object": "payment_method", "type": card.kind, "customer": None, card.kind: about, "metadata": {}}


def details(method: Document) -> Document:
    """Return what a charge shows of it."""
    return {"type": method["type"], method["type"]: dict(method[method["type"]])}


def attach(method: Document, customer: str | None) -> None:
    if customer:
        method["customer"] = customer


def usable(method: Document, customer: str | None) -> None:
    """Refuse a method of somebody else's, and one that was used without being kept."""
    if method["customer"] and method["customer"] != customer:
        said = "The PaymentMethod supplied belongs to another Customer."
        raise Refusal(400, "payment_method_customer_mismatch", said, param="payment_method")
    if method.get("#is_spent") and not method["customer"]:
        said = "The provided PaymentMethod was previously used without being attached to a Customer."
        raise Refusal(400, "", said, param="payment_method")
