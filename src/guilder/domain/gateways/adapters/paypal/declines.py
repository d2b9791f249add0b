"""Why a charge is refused, in PayPal's codes and ours, and whether the same method is worth another try."""

from collections.abc import Mapping
from typing import Any

from guilder.domain.gateways.model import Outcome, OutcomeKind

Document = Mapping[str, Any]

_CODE_MAX = 100
# The banks' answers to a card (`processor_response.response_code`) by PayPal's own names for them.
# Hard: what no later try with the same card can mend.
HARD_RESPONSES = {
    "0390": "account_not_found",
    "0580": "unauthorized_transaction",
    "1330": "invalid_account",
    "1335": "invalid_account_recurring",
    "1352": "restricted_or_inactive_account",
    "1380": "invalid_expiration",
    "5140": "card_closed",
    "5150": "pickup_card_special_conditions",
    "5160": "unauthorized_user",
    "5180": "invalid_or_restricted_card",
    "5400": "expired_card",
    "5700": "transaction_not_permitted",
    "5930": "card_not_activated",
    "5950": "declined_due_to_updated_account",
    "6300": "account_not_on_file",
    "9500": "suspected_fraud",
    "9510": "security_violation",
    "9520": "lost_or_stolen",
    "9530": "hold_call_center",
    "9540": "refused_card",
    "PP06": "account_closed",
    "PPAB": "account_blocked_by_issuer",
    "PPCT": "card_type_unsupported",
    "PPEF": "expired_funding_instrument",
    "PPEX": "expiry_date",
    "PPFI": "invalid_funding_instrument",
    "PPFR": "restricted_funding_instrument",
    "PPRN": "reattempt_not_permitted",
}
# Soft: funds come, systems come back, a bank's mood passes.
SOFT_RESPONSES = {
    "0100": "referral",
    "0500": "do_not_honor",
    "0960": "system_malfunction",
    "10BR": "issuer_rejected",
    "1393": "transaction_cannot_be_completed",
    "5100": "generic_decline",
    "5110": "cvv2_failure",
    "5120": "insufficient_funds",
    "5170": "avs_failure",
    "5200": "duplicate_transaction",
    "5210": "invalid_transaction",
    "5650": "declined_sca_required",
    "5710": "tx_attempts_exceed_limit",
    "5910": "issuer_not_available_not_retriable",
    "5920": "issuer_not_available_retriable",
    "8000": "processor_system_error",
    "8110": "retriable_communication_error",
    "8220": "system_unavailable",
    "9100": "declined_please_retry",
    "PPAX": "amount_exceeded",
    "PPEL": "exceeds_frequency_limit",
    "PPNT": "network_error",
}
# The networks' own word beside a decline: 03 and 21 forbid another try, 01 asks for new data, 02 for patience.
HARD_ADVICE = frozenset({"03", "21"})
_NAMES = {**SOFT_RESPONSES, **HARD_RESPONSES}
# Of the refusals of a whole call (`details[].issue`): what no later try with the same method mends.
HARD_ISSUES = frozenset(
    {
        "AGREEMENT_ALREADY_CANCELLED",
        "BILLING_AGREEMENT_NOT_FOUND",
        "CARD_BRAND_NOT_SUPPORTED",
        "CARD_EXPIRED",
        "IDENTIFIER_NOT_FOUND",
        "MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE",
        "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
        "PAYER_ACCOUNT_RESTRICTED",
        "PAYMENT_SOURCE_CANNOT_BE_USED",
        "REFERENCED_CARD_EXPIRED",
        "TOKEN_EXPIRED",
        "TOKEN_ID_NOT_FOUND",
    }
)


def unknown(message: str, *, ref: str = "", is_outage: bool = True, retry_after_s: int | None = None) -> Outcome:
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        provider_ref=ref,
        message=message,
        is_outage=is_outage,
        retry_after_s=retry_after_s,
    )


def declined(code: str, *, ref: str = "", is_hard: bool = False, message: str = "") -> Outcome:
    return Outcome(
        kind=OutcomeKind.DECLINED,
        provider_ref=ref,
        decline_code=code[:_CODE_MAX],
        is_hard_decline=is_hard,
        message=message[:200],
    )


def issue(error: Document) -> str:
    """Return what a refusal is about: its first detail's issue, else its name."""
    details = error.get("details")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], Mapping) else {}
    said = first.get("issue") or error.get("name")
    return said if isinstance(said, str) else ""


def refused(error: Document, *, ref: str = "") -> Outcome:
    """Read a definite refusal of a call (4xx): nothing was done, and asking again would bring the same."""
    said = issue(error)
    message = error.get("message")
    return declined(
        said.lower() or "refused",
        ref=ref,
        is_hard=said in HARD_ISSUES,
        message=message if isinstance(message, str) else "",
    )


def of_capture(capture: Document, *, ref: str) -> Outcome:
    """Read a capture that was declined or has failed: by the bank's answer where there is one."""
    response = capture.get("processor_response")
    said = response if isinstance(response, Mapping) else {}
    code, advice = _text(said, "response_code"), _text(said, "payment_advice_code")
    details = capture.get("status_details")
    reason = _text(details, "reason").lower() if isinstance(details, Mapping) else ""
    named = _NAMES.get(code) or (f"response_{code}" if code else reason)
    return declined(
        named or "declined",
        ref=ref,
        is_hard=code in HARD_RESPONSES or advice in HARD_ADVICE,
    )


def _text(found: Document, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
