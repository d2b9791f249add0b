"""Between Stripe's words and ours. What cannot be understood is unknown, never a no."""

from collections.abc import Mapping
from typing import Any

from guilder.domain.gateways.adapters.stripe import declines
from guilder.domain.gateways.adapters.stripe.amounts import from_stripe_amount
from guilder.domain.gateways.model import CardDetails, GatewayRequest, Outcome, OutcomeKind, RequestKind
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

Document = Mapping[str, Any]

AMOUNT_MISMATCH = "amount_mismatch"
OTHER_KEY = "business_key_mismatch"
# A refusal about the object itself, not about the method: it says nothing of what became of the charge.
_OWN_PARAMS = frozenset({"intent", "id", "session"})
_CODE_MAX = 100


def unknown(message: str, *, ref: str = "", is_outage: bool = True, retry_after_s: int | None = None) -> Outcome:
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        provider_ref=ref,
        message=message,
        is_outage=is_outage,
        retry_after_s=retry_after_s,
    )


def refused(error: Document) -> Outcome:
    """Read a definite refusal of a call (4xx): nothing was done, and asking again would bring the same."""
    if text(error, "code") == "resource_missing" and text(error, "param") in _OWN_PARAMS:
        return unknown("Stripe knows of no such object", is_outage=False)
    code = text(error, "decline_code") or text(error, "code") or "refused"
    return Outcome(
        kind=OutcomeKind.DECLINED,
        decline_code=code[:_CODE_MAX],
        is_hard_decline=declines.is_hard(error),
        message=text(error, "message")[:200],
    )


def from_intent(intent: Document, request: GatewayRequest | None) -> Outcome:
    """Read a PaymentIntent. `request` is what it was asked for: another amount is not an answer to it."""
    ref, money = text(intent, "id"), from_stripe_amount(intent.get("amount"), intent.get("currency"))
    if not ref or money is None:
        return unknown("an answer that cannot be read", ref=ref, is_outage=False)
    said = Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref, amount=money, payer_ref=name(intent.get("customer")))
    if request is not None and (stray := _stray(intent, money, request)):
        return replace(said, alert=stray, message=stray)
    charge = name(intent.get("latest_charge"))
    error = intent.get("last_payment_error")
    match intent.get("status"):
        case "succeeded" if intent.get("amount_received", intent.get("amount")) != intent.get("amount"):
            return replace(said, alert=AMOUNT_MISMATCH, message=AMOUNT_MISMATCH)
        case "succeeded":
            return replace(said, kind=OutcomeKind.SUCCEEDED, charge_ref=charge, card=_card_of_intent(intent))
        case "canceled":
            return replace(said, kind=OutcomeKind.CANCELED)
        case "processing":
            return replace(said, charge_ref=charge, is_pending=True, card=_card_of_intent(intent))
        case "requires_action":
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION, action_url=_action_url(intent))
        case "requires_payment_method" if isinstance(error, Mapping):
            return _declined(error, said)
        case "requires_payment_method" | "requires_confirmation":
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION)
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=ref, is_outage=False)


def from_session(session: Document, request: GatewayRequest | None) -> Outcome:
    """Read a Checkout Session: open it waits, and complete it is what its intent is (to be expanded in it)."""
    ref = text(session, "id")
    is_setup = session.get("mode") == "setup"
    money = None if is_setup else from_stripe_amount(session.get("amount_total"), session.get("currency"))
    if not ref or (money is None and not is_setup):
        return unknown("an answer that cannot be read", ref=ref, is_outage=False)
    said = Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref, amount=money, payer_ref=name(session.get("customer")))
    if request is not None and money is not None and (stray := _stray(session, money, request)):
        return replace(said, alert=stray, message=stray)
    inside = session.get("setup_intent" if is_setup else "payment_intent")
    match session.get("status"):
        case "open":
            url = text(session, "url")
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION, action_url=url if url.startswith("http") else "")
        case "expired":
            return replace(said, kind=OutcomeKind.CANCELED)
        case "complete" if isinstance(inside, Mapping):
            found = from_setup(inside) if is_setup else from_intent(inside, request)
            return replace(found, provider_ref=ref)
        case "complete":
            return replace(said, message="complete, and its intent was not read", is_pending=True)
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=ref, is_outage=False)


def from_setup(setup: Document) -> Outcome:
    """Read a SetupIntent, its method expanded: without that it cannot be said which card was saved."""
    said = Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=text(setup, "id"), payer_ref=name(setup.get("customer")))
    error = setup.get("last_setup_error")
    match setup.get("status"):
        case "succeeded":
            card = _card(setup.get("payment_method"), token=_token(setup))
            if card is None:
                return replace(said, is_pending=True, message="which card was saved is to be looked up")
            return replace(said, kind=OutcomeKind.SUCCEEDED, card=card)
        case "canceled":
            return replace(said, kind=OutcomeKind.CANCELED)
        case "processing":
            return replace(said, is_pending=True)
        case "requires_action":
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION, action_url=_action_url(setup))
        case "requires_payment_method" if isinstance(error, Mapping):
            return _declined(error, said)
        case "requires_payment_method" | "requires_confirmation":
            return replace(said, kind=OutcomeKind.REQUIRES_ACTION)
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=said.provider_ref, is_outage=False)


def from_refund(refund: Document, request: GatewayRequest | None) -> Outcome:
    ref, money = text(refund, "id"), from_stripe_amount(refund.get("amount"), refund.get("currency"))
    if not ref or money is None:
        return unknown("an answer that cannot be read", ref=ref, is_outage=False)
    if request is not None and money != request.amount:
        return Outcome(kind=OutcomeKind.UNKNOWN, amount=money, alert=AMOUNT_MISMATCH, message=AMOUNT_MISMATCH)
    said = Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref, amount=money, charge_ref=name(refund.get("charge")))
    match refund.get("status"):
        case "succeeded":
            return replace(said, kind=OutcomeKind.SUCCEEDED)
        case "failed" | "canceled":
            why = text(refund, "failure_reason") or "refund_failed"
            return replace(said, kind=OutcomeKind.DECLINED, decline_code="refund_failed", message=why[:200])
        case "pending" | "requires_action":
            return replace(said, is_pending=True)
        case status:
            return unknown(f"an unknown status: {str(status)[:40]}", ref=ref, is_outage=False)


def from_charge(charge: Document) -> Outcome:
    """Read a charge that succeeded, as its notice tells it: the only one that says which card it was."""
    ref = name(charge.get("payment_intent"))
    money = from_stripe_amount(charge.get("amount_captured", charge.get("amount")), charge.get("currency"))
    if not ref or money is None or charge.get("status") != "succeeded" or charge.get("captured") is not True:
        return unknown("a charge that cannot be read", ref=ref, is_outage=False)
    return Outcome(
        kind=OutcomeKind.SUCCEEDED,
        provider_ref=ref,
        charge_ref=text(charge, "id"),
        amount=money,
        payer_ref=name(charge.get("customer")),
        card=_card(charge.get("payment_method_details"), token=_token(charge)),
    )


def from_method(method: Document) -> CardDetails | None:
    """Read what a saved method is by now, without its token; None where it is a card and does not say which."""
    found = _card(method, token="")
    is_whole = found is not None and (found.kind != "card" or all((found.last4, found.exp_month, found.exp_year)))
    return found if is_whole else None


def metadata(request: GatewayRequest) -> dict[str, str]:
    """Return what an object is recognised by. The claim says what is paid for, whichever attempt it was."""
    kind = RequestKind.CHARGE if request.kind is RequestKind.CANCEL else request.kind
    said = {"business_key": request.business_key, "tenant_id": str(request.tenant_id), "kind": kind.value}
    return said | ({"claim": request.claim[:500]} if request.claim else {})


def noted(found: Document, what: str) -> str:
    """Return what an object's metadata say of `business_key` or `claim`."""
    said = found.get("metadata")
    return text(said, what)[:500] if isinstance(said, Mapping) else ""


def name(found: object) -> str:
    """Return the id of what may be an id, or the expanded object."""
    if isinstance(found, Mapping):
        return text(found, "id")
    return found if isinstance(found, str) else ""


def split(token: str) -> tuple[str, str]:
    """Return whose a saved method is and which: `cus_…/pm_…`, or `pm_…` alone."""
    payer, slash, method = token.partition("/")
    return (payer, method) if slash else ("", token)


def text(found: Document, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _stray(found: Document, money: Money, request: GatewayRequest) -> str:
    if money != request.amount:
        return AMOUNT_MISMATCH
    return OTHER_KEY if noted(found, "business_key") != request.business_key else ""


def _declined(error: Document, said: Outcome) -> Outcome:
    return replace(refused(error), kind=OutcomeKind.DECLINED, provider_ref=said.provider_ref, amount=said.amount)


def _card_of_intent(intent: Document) -> CardDetails | None:
    charge = intent.get("latest_charge")
    if not isinstance(charge, Mapping):
        return None
    return _card(charge.get("payment_method_details"), token=_token(intent))


def _token(found: Document) -> str:
    payer, method = name(found.get("customer")), name(found.get("payment_method"))
    return f"{payer}/{method}" if payer and method else method


def _card(details: object, *, token: str) -> CardDetails | None:
    """Read a method: a card, or what else one can pay with, which has its own words under the name of its type."""
    if not isinstance(details, Mapping):
        return None
    kind = text(details, "type")[:40] or "card"
    said = details.get(kind)
    found: Document = said if isinstance(said, Mapping) else {}
    month, year, last4 = found.get("exp_month"), found.get("exp_year"), text(found, "last4")
    last4 = last4 if last4.isascii() and last4.isdigit() and len(last4) <= 4 else ""
    return CardDetails(
        token=token,
        kind=kind,
        label=f"•••• {last4}" if last4 and kind != "card" else "",
        fingerprint=text(found, "fingerprint")[:_CODE_MAX],
        brand=text(found, "brand")[:40],
        last4=last4,
        exp_month=month if type(month) is int and 0 <= month <= 12 else 0,
        exp_year=year if type(year) is int and 0 <= year < 10_000 else 0,
    )


def _action_url(found: Document) -> str:
    action = found.get("next_action")
    to = action.get("redirect_to_url") if isinstance(action, Mapping) else None
    url = text(to, "url") if isinstance(to, Mapping) else ""
    return url if url.startswith("https://") else ""
