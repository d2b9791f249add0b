"""Orders v2 and Payments v2 as PayPal answers them."""

import re
from decimal import Decimal

from tests.support.fakes.paypal import oracle
from tests.support.fakes.paypal.account import MERCHANT, PAYER, Account, Document, Refusal, new_id, payments

_WHOLE = {"HUF", "JPY", "TWD"}
_TAKEN = _WHOLE | set(
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN RUB SEK SGD THB USD".split()  # noqa: SIM905
)
_CARD_ANSWERS = {"card-insufficient": "5120", "card-lost": "9520"}


def hold(model: str, body: object) -> Document:
    """Take a body that PayPal's published model takes."""
    if found := oracle.faults(model, body):
        raise Refusal(400, "; ".join(found), "INVALID_REQUEST")
    assert isinstance(body, dict)
    return body


def create(account: Account, body: object, *, url: str) -> Document:
    said = hold("OrderRequest", body)
    for unit in said["purchase_units"]:
        _check_amount(unit["amount"])
        if len(unit.get("custom_id", "")) > 127 or len(unit.get("invoice_id", "")) > 127:
            raise Refusal(400, "INVALID_STRING_LENGTH", "INVALID_REQUEST")
    source = said.get("payment_source", {})
    order_id = new_id()
    units = [{"reference_id": "default", "payee": {"merchant_id": MERCHANT}, **unit} for unit in said["purchase_units"]]
    page = {"href": f"{url}/checkoutnow?token={order_id}", "rel": "payer-action" if source else "approve"}
    account.orders[order_id] = {
        "id": order_id,
        "intent": said["intent"],
        "status": "PAYER_ACTION_REQUIRED" if source else "CREATED",
        "payment_source": {kind: {} for kind in source},
        "purchase_units": units,
        "create_time": account.stamp(),
        "links": [{**page, "method": "GET"}],
        "_source": source,
    }
    return account.orders[order_id]


def patch(account: Account, order_id: str, body: object) -> None:
    order = account.order(order_id)
    assert isinstance(body, list)
    if order["status"] == "COMPLETED":
        raise Refusal(422, "ORDER_ALREADY_COMPLETED")
    for change in body:
        hold("Patch", change)
        if change["path"] != "/intent" or change["op"] != "replace":
            raise Refusal(422, "NOT_PATCHABLE")
        if change["value"] == "AUTHORIZE" and not account.allows_authorize:
            raise Refusal(422, "AUTH_CAPTURE_NOT_ENABLED")
        order["intent"] = change["value"]


def capture(account: Account, order_id: str, body: object) -> Document:
    order = account.order(order_id)
    said = hold("OrderCaptureRequest", body)
    unit = order["purchase_units"][0]
    if order["status"] == "COMPLETED":
        raise Refusal(422, "ORDER_ALREADY_CAPTURED")
    if order["intent"] != "CAPTURE":
        raise Refusal(422, "ACTION_DOES_NOT_MATCH_INTENT")
    taken = [each.get("invoice_id") for each in account.captures() if each["status"] in {"COMPLETED", "PENDING"}]
    if unit.get("invoice_id") and unit["invoice_id"] in taken:
        raise Refusal(422, "DUPLICATE_INVOICE_ID")
    kind, saved = _source(account, order, said.get("payment_source", {}))
    status, answer = _fate(saved)
    return _captured(account, order, kind, saved, status=status, answer=answer)


def refund(account: Account, capture_id: str, body: object) -> Document:
    said = hold("RefundRequest", body)
    if not re.fullmatch(r"[A-Za-z0-9_.,-]{0,127}", said.get("custom_id", "")):
        raise Refusal(400, "INVALID_PARAMETER_SYNTAX", "INVALID_REQUEST")
    found = [(order, each) for order in account.orders.values() for each in payments(order, "captures")]
    for order, taken in found:
        if taken["id"] == capture_id:
            return _refunded(account, order, taken, said)
    raise Refusal(404, "INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")


def find_refund(account: Account, refund_id: str) -> Document:
    for order in account.orders.values():
        for each in payments(order, "refunds"):
            if each["id"] == refund_id:
                return each
    raise Refusal(404, "INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")


def _source(account: Account, order: Document, given: Document) -> tuple[str, Document]:
    if not given:
        if order["status"] != "APPROVED":
            raise Refusal(422, "ORDER_NOT_APPROVED")
        token = new_id()
        wallet = {"email_address": "jane@example.com", "payer_id": PAYER}
        return "paypal", {"id": token, "customer": {"id": "customer_1"}, "payment_source": {"paypal": wallet}}
    [(kind, said)] = given.items()
    saved = account.saved.get(said.get("vault_id", ""))
    if saved is None:
        raise Refusal(422, "TOKEN_ID_NOT_FOUND")
    if kind not in saved["payment_source"]:
        raise Refusal(422, "MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE")
    return kind, saved


def _fate(saved: Document) -> tuple[str, str]:
    """Say what becomes of a capture by this method: its status, and the bank's answer; or refuse the call."""
    match saved["id"]:
        case "wallet-declined":
            raise Refusal(422, "INSTRUMENT_DECLINED")
        case "wallet-absent":
            raise Refusal(422, "PAYER_ACTION_REQUIRED")
        case "wallet-review":
            return "PENDING", ""
        case name if name in _CARD_ANSWERS:
            return "DECLINED", _CARD_ANSWERS[name]
    return "COMPLETED", "0000"


def _captured(account: Account, order: Document, kind: str, saved: Document, *, status: str, answer: str) -> Document:
    unit = order["purchase_units"][0]
    made = {
        "id": new_id(),
        "status": status,
        "amount": dict(unit["amount"]),
        "custom_id": unit.get("custom_id", ""),
        "invoice_id": unit.get("invoice_id", ""),
        "final_capture": True,
        "payee": {"merchant_id": MERCHANT},
        "supplementary_data": {"related_ids": {"order_id": order["id"]}},
        "create_time": account.stamp(),
    }
    if status == "PENDING":
        made["status_details"] = {"reason": "PENDING_REVIEW"}
    if kind == "card" and answer:
        made["processor_response"] = {"response_code": answer}
    payments(order, "captures").append(made)
    shown = {name: value for name, value in saved["payment_source"][kind].items() if name != "usage_type"}
    if order["_source"]:
        account.saved[saved["id"]] = saved
        vaulted = {"id": saved["id"], "status": "VAULTED", "customer": saved["customer"]}
        shown["attributes"] = {"vault": vaulted}
    order |= {"status": "COMPLETED", "payment_source": {kind: shown}}
    account.book_capture(made)
    account.tell(f"PAYMENT.CAPTURE.{status}", "capture", made)
    return order


def _refunded(account: Account, order: Document, taken: Document, said: Document) -> Document:
    amount: Document = said.get("amount") or taken["amount"]
    _check_amount(amount)
    if taken["status"] not in {"COMPLETED", "PARTIALLY_REFUNDED"}:
        raise Refusal(422, "CAPTURE_FULLY_REFUNDED" if taken["status"] == "REFUNDED" else "REFUND_NOT_ALLOWED")
    before = sum(Decimal(each["amount"]["value"]) for each in payments(order, "refunds"))
    left = Decimal(taken["amount"]["value"]) - before - Decimal(amount["value"])
    if left < 0 or amount["currency_code"] != taken["amount"]["currency_code"]:
        raise Refusal(422, "REFUND_AMOUNT_EXCEEDED")
    made = {"id": new_id(), "status": "COMPLETED", "amount": dict(amount), "create_time": account.stamp()}
    made |= {name: said[name] for name in ("custom_id", "invoice_id") if name in said}
    payments(order, "refunds").append(made)
    taken["status"] = "PARTIALLY_REFUNDED" if left else "REFUNDED"
    account.book_refund(made, taken["id"])
    account.tell("PAYMENT.CAPTURE.REFUNDED", "refund", made)
    return made


def _check_amount(amount: Document) -> None:
    if amount["currency_code"] not in _TAKEN:
        raise Refusal(422, "INVALID_CURRENCY_CODE")
    form = r"[0-9]+" if amount["currency_code"] in _WHOLE else r"[0-9]+\.[0-9]{2}"
    if not re.fullmatch(form, amount["value"]):
        raise Refusal(422, "DECIMAL_PRECISION")
    if Decimal(amount["value"]) <= 0:
        raise Refusal(422, "CANNOT_BE_ZERO_OR_NEGATIVE")
