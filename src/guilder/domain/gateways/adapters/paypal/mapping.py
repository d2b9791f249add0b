"""Between PayPal's words and ours. What cannot be understood is unknown, never a no."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from guilder.domain.gateways.adapters.paypal import declines
from guilder.domain.gateways.adapters.paypal.money import from_paypal, to_paypal
from guilder.domain.gateways.model import CardDetails, GatewayRequest, Outcome, OutcomeKind
from guilder.kernel.money import Money
from guilder.kernel.noun import replace

Document = Mapping[str, Any]

AMOUNT_MISMATCH = "amount_mismatch"
OTHER_KEY = "business_key_mismatch"
DUPLICATE_INVOICE = "duplicate_invoice_id"
TEXT_MAX = 127
_KEY = re.compile(r"[A-Za-z0-9:_-]{1,127}", re.ASCII)
_CUSTOM = re.compile(r"[A-Za-z0-9._-]{1,127}", re.ASCII)
_CLAIM = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_DIGEST = "sha256."
_OPEN = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED"})
_TAKEN = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"})
_REFUSED = frozenset({"DECLINED", "FAILED"})
_ASKS_PAYER = ("payer-action", "approve")


def custom_id(business_key: str) -> str:
    """Return a business key as PayPal carries it: its colons are dots there (refunds take no colon).

    What would not fit is a digest: such an object is found by its id only, and its notices say nothing to us.
    """
    if _KEY.fullmatch(business_key):
        return business_key.replace(":", ".")
    return _DIGEST + hashlib.sha256(business_key.encode()).hexdigest()


def business_key(said: object) -> str:
    if not isinstance(said, str) or not _CUSTOM.fullmatch(said) or said.startswith(_DIGEST):
        return ""
    return said.replace(".", ":")


def invoice_id(request: GatewayRequest) -> str:
    """Return what names the attempt once more, and what it claims; PayPal refuses to take one of them twice.

    Its own protection against accidental payments, where the account has it on: whatever we should get wrong, money
    for one attempt is not taken from two orders.
    """
    digest = hashlib.sha256(request.business_key.encode()).hexdigest()[:32]
    return f"{request.claim}.{digest}" if _CLAIM.fullmatch(request.claim) else digest


def claim(said: object) -> str:
    return said.rpartition(".")[0] if isinstance(said, str) and said.isascii() and len(said) <= TEXT_MAX else ""


def to_order(request: GatewayRequest) -> dict[str, Any]:
    """Return the order of a charge; on session it says where the customer comes back to, and that we save the payer."""
    assert request.amount is not None, request
    unit: dict[str, Any] = {
        "amount": to_paypal(request.amount),
        "custom_id": custom_id(request.business_key),
        "invoice_id": invoice_id(request),
    }
    if request.description:
        unit["description"] = request.description[:TEXT_MAX]
    order: dict[str, Any] = {"intent": "CAPTURE", "purchase_units": [unit]}
    if request.is_on_session:
        attributes: dict[str, Any] = {"vault": {"store_in_vault": "ON_SUCCESS", "usage_type": "MERCHANT"}}
        if request.payer_ref:
            attributes["customer"] = {"id": request.payer_ref}
        context = {**to_experience(request), "user_action": "PAY_NOW"}
        order["payment_source"] = {"paypal": {"attributes": attributes, "experience_context": context}}
    return order


def to_experience(request: GatewayRequest) -> dict[str, Any]:
    back = f"{request.return_url}{'&' if '?' in request.return_url else '?'}done=1"
    context = {"return_url": back, "cancel_url": request.return_url, "shipping_preference": "NO_SHIPPING"}
    return context | ({"brand_name": request.merchant_name[:TEXT_MAX]} if request.merchant_name else {})


def to_source(token: str) -> dict[str, Any]:
    """Return the saved method of a charge that the merchant begins; `token` is `kind/id`."""
    kind, _, vault_id = token.rpartition("/")
    if kind == "card":
        # The networks want to be told that the cardholder agreed before, and is not there now.
        stored = {"payment_initiator": "MERCHANT", "payment_type": "RECURRING", "usage": "SUBSEQUENT"}
        return {"card": {"vault_id": vault_id, "stored_credential": stored}}
    if kind == "agreement":
        return {"token": {"id": vault_id, "type": "BILLING_AGREEMENT"}}
    return {"paypal": {"vault_id": vault_id}}


def from_order(order: Document, request: GatewayRequest | None) -> Outcome:
    """Read an order. `request` is what it was asked for: another amount is not an answer to it."""
    ref, unit = text(order, "id"), the_unit(order)
    money = from_paypal(unit.get("amount"))
    if not ref or money is None:
        return declines.unknown("an answer that cannot be read", ref=ref, is_outage=False)
    said = Outcome(kind=OutcomeKind.UNKNOWN, provider_ref=ref, amount=money)
    capture = the_capture(unit)
    if request is not None and (stray := _stray(unit, money, capture, request)):
        return replace(said, alert=stray, message=stray)
    status = text(order, "status")
    if capture is not None and status in {"COMPLETED", "APPROVED"}:
        return from_capture(capture, replace(said, card=card_of(order), payer_ref=payer_of(order)))
    # An order that is to be authorized is one that we have closed: we capture, and authorize nothing.
    if status == "VOIDED" or (order.get("intent") == "AUTHORIZE" and status in _OPEN | {"APPROVED"}):
        return replace(said, kind=OutcomeKind.CANCELED)
    if status == "APPROVED":
        return replace(said, kind=OutcomeKind.REQUIRES_ACTION, is_approved=True)
    if status in _OPEN:
        return replace(said, kind=OutcomeKind.REQUIRES_ACTION, action_url=link(order, _ASKS_PAYER))
    return declines.unknown(f"an unknown status: {status[:40]}", ref=ref, is_outage=False)


def from_capture(capture: Document, said: Outcome) -> Outcome:
    """Read a capture of the order that `said` is about."""
    ref, money, status = text(capture, "id"), from_paypal(capture.get("amount")), text(capture, "status")
    if not ref or money is None:
        return declines.unknown("an answer that cannot be read", ref=said.provider_ref, is_outage=False)
    named = replace(said, charge_ref=ref, amount=money)
    if status in _TAKEN:
        # What was given back later does not undo that it was paid: a refund is a fact of its own.
        return replace(named, kind=OutcomeKind.SUCCEEDED)
    if status == "PENDING":
        return replace(named, is_pending=True)
    if status in _REFUSED:
        no = declines.of_capture(capture, ref=said.provider_ref)
        return replace(no, amount=money, charge_ref=ref, card=said.card)
    return declines.unknown(f"an unknown status: {status[:40]}", ref=said.provider_ref, is_outage=False)


def from_refund(refund: Document, request: GatewayRequest | None) -> Outcome:
    """Read a refund. While it is pending its request keeps the order's id, by which it is found again."""
    ref, money, status = text(refund, "id"), from_paypal(refund.get("amount")), text(refund, "status")
    if not ref or money is None:
        return declines.unknown("an answer that cannot be read", is_outage=False)
    if request is not None and money != request.amount:
        return Outcome(kind=OutcomeKind.UNKNOWN, amount=money, alert=AMOUNT_MISMATCH, message=AMOUNT_MISMATCH)
    if status == "COMPLETED":
        return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=ref, amount=money)
    if status in {"FAILED", "CANCELLED"}:
        return Outcome(kind=OutcomeKind.DECLINED, provider_ref=ref, amount=money, decline_code="refund_failed")
    if status == "PENDING":
        return Outcome(kind=OutcomeKind.UNKNOWN, amount=money, is_pending=True)
    return declines.unknown(f"an unknown status: {status[:40]}", is_outage=False)


def the_unit(order: Document) -> Document:
    """Return an order's one purchase unit."""
    units = order.get("purchase_units")
    return units[0] if isinstance(units, list) and len(units) == 1 and isinstance(units[0], Mapping) else {}


def the_capture(unit: Document) -> Document | None:
    """Return the capture of an order's unit: the one that took money, if there were more."""
    found = payments(unit, "captures")
    taken = [each for each in found if text(each, "status") in _TAKEN | {"PENDING"}]
    return taken[-1] if taken else found[-1] if found else None


def payments(unit: Document, name: str) -> list[Document]:
    made = unit.get("payments")
    listed = made.get(name) if isinstance(made, Mapping) else None
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []


def card_of(holder: Document, *, token: str = "") -> CardDetails | None:
    """Read the method of an order or of a payment token; `token` where the holder itself is the saved one."""
    source = holder.get("payment_source")
    if not isinstance(source, Mapping):
        return None
    for kind in ("card", "paypal"):
        if isinstance(said := source.get(kind), Mapping):
            return _details(kind, said, token or _vaulted(said))
    return None


def payer_of(holder: Document) -> str:
    """Return PayPal's id of the customer, where it keeps methods for them."""
    customer = holder.get("customer")
    if isinstance(customer, Mapping):
        return text(customer, "id")
    source = holder.get("payment_source")
    for kind in ("card", "paypal"):
        said = source.get(kind) if isinstance(source, Mapping) else None
        vault = _vault(said) if isinstance(said, Mapping) else {}
        if isinstance(kept := vault.get("customer"), Mapping):
            return text(kept, "id")
    return ""


def link(holder: Document, rels: tuple[str, ...]) -> str:
    listed = holder.get("links")
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping) and each.get("rel") in rels:
            url = text(each, "href")
            return url if url.startswith(("https://", "http://")) else ""
    return ""


def text(found: Document, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def masked(address: str) -> str:
    """Return an e-mail address as it may be shown: j•••@example.com."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}•••@{domain}"[:100] if at and name and domain else ""


def _stray(unit: Document, money: Money, capture: Document | None, request: GatewayRequest) -> str:
    captured = from_paypal(capture.get("amount")) if capture is not None else money
    if money != request.amount or captured != request.amount:
        return AMOUNT_MISMATCH
    return OTHER_KEY if unit.get("custom_id") != custom_id(request.business_key) else ""


def _details(kind: str, said: Document, vault_id: str) -> CardDetails:
    token = f"{kind}/{vault_id}" if vault_id else ""
    if kind == "paypal":
        return CardDetails(
            token=token,
            kind="paypal",
            label=masked(text(said, "email_address")),
            # What is kept and what an order was paid with name the account each in its own way.
            fingerprint=(text(said, "payer_id") or text(said, "account_id"))[:TEXT_MAX],
        )
    last4, (year, _, month) = text(said, "last_digits"), text(said, "expiry").partition("-")
    return CardDetails(
        token=token,
        brand=text(said, "brand").lower()[:40],
        last4=last4 if last4.isascii() and last4.isdigit() and len(last4) <= 4 else "",
        exp_month=int(month) if re.fullmatch(r"0[1-9]|1[0-2]", month) else 0,
        exp_year=int(year) if re.fullmatch(r"[0-9]{4}", year, re.ASCII) else 0,
    )


def _vault(said: Document) -> Document:
    attributes = said.get("attributes")
    vault = attributes.get("vault") if isinstance(attributes, Mapping) else None
    return vault if isinstance(vault, Mapping) else {}


def _vaulted(said: Document) -> str:
    """Return the id of a method that was saved with the payment; nothing while that is still under way."""
    vault = _vault(said)
    return text(vault, "id") if text(vault, "status") in {"VAULTED", "CREATED"} else ""
