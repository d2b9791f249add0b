"""What Stripe's codes of a decline mean for another attempt: hard is never worth one with the same method."""

from collections.abc import Mapping
from typing import Any

_HARD = {
    "account_closed": "the account is closed",
    "bank_account_unusable": "the bank account cannot be used",
    "card_not_supported": "the card does not allow this kind of purchase",
    "currency_not_supported": "the card does not take this currency",
    "debit_not_authorized": "the customer did not allow the debit",
    "do_not_try_again": "the bank says not to try again",
    "expired_card": "the card has expired",
    "fraudulent": "Stripe suspects fraud",
    "incorrect_address": "what is saved of the card is wrong",
    "incorrect_cvc": "what is saved of the card is wrong",
    "incorrect_number": "what is saved of the card is wrong",
    "incorrect_zip": "what is saved of the card is wrong",
    "invalid_account": "there is no such account",
    "invalid_bank_account_iban": "there is no such account",
    "invalid_cvc": "what is saved of the card is wrong",
    "invalid_expiry_month": "what is saved of the card is wrong",
    "invalid_expiry_year": "what is saved of the card is wrong",
    "invalid_number": "what is saved of the card is wrong",
    "live_mode_test_card": "a test card moves no money",
    "lost_card": "reported lost",
    "merchant_blacklist": "on the merchant's own block list",
    "new_account_information_available": "the card was replaced",
    "no_account": "there is no such account",
    "not_permitted": "the bank does not permit it",
    "payment_method_customer_mismatch": "the method is another customer's",
    "payment_method_not_available": "the method is gone",
    "payment_method_unexpected_state": "the method is gone",
    "pickup_card": "reported lost or stolen",
    "resource_missing": "the method is gone",
    "restricted_card": "reported lost or stolen",
    "revocation_of_all_authorizations": "the customer took the permission back",
    "revocation_of_authorization": "the customer took the permission back",
    "security_violation": "the bank saw a violation of its rules",
    "service_not_allowed": "the card does not allow this kind of purchase",
    "stolen_card": "reported stolen",
    "stop_payment_order": "the customer stopped it at the bank",
    "testmode_decline": "a test card that is no card",
    "transaction_not_allowed": "the card does not allow this kind of purchase",
}
_SOFT = {
    "approve_with_id": "the bank could not be asked for its approval",
    "authentication_required": "the customer has to confirm it",
    "call_issuer": "the bank gives no reason",
    "card_declined": "the bank gives no reason",
    "card_velocity_exceeded": "over a limit of the card, for now",
    "do_not_honor": "the bank gives no reason",
    "duplicate_transaction": "the same was charged a moment ago",
    "generic_decline": "the bank gives no reason",
    "insufficient_funds": "not enough money, for now",
    "invalid_amount": "over a limit of the card",
    "issuer_not_available": "the bank could not be reached",
    "no_action_taken": "the bank gives no reason",
    "processing_error": "something went wrong on the way",
    "reenter_transaction": "something went wrong on the way",
    "try_again_later": "the bank gives no reason, and expects another try",
    "withdrawal_count_limit_exceeded": "over a limit of the card, for now",
}
assert not set(_HARD) & set(_SOFT)
REASONS: Mapping[str, str] = {**_HARD, **_SOFT}
# The networks' own words are advice to merchants, with fees for those who do not heed it. Mastercard's: 03 and 21 say
# that the account is closed or the customer stopped the series.
_ADVICE_STOPS = frozenset({"do_not_try_again", "confirm_card_data"})
_NETWORK_STOPS = frozenset({"03", "21"})


def is_hard(error: Mapping[str, Any]) -> bool:
    """Say whether the same method will never do; what is not known may be worth another try."""
    code = error.get("decline_code") or error.get("code")
    return (
        code in _HARD
        or error.get("advice_code") in _ADVICE_STOPS
        or (error.get("network_advice_code") in _NETWORK_STOPS)
    )
