"""Vault v3 as PayPal answers it."""

from tests.support.fakes.paypal.account import PAYER, Account, Document, Refusal, new_id
from tests.support.fakes.paypal.orders import hold


def create_setup(account: Account, body: object, *, url: str) -> Document:
    said = hold("SetupTokenRequest", body)
    setup_id = new_id()
    account.setups[setup_id] = {
        "id": setup_id,
        "status": "PAYER_ACTION_REQUIRED",
        "customer": {"id": said.get("customer", {}).get("id") or f"customer_{len(account.setups) + 2}"},
        "payment_source": said["payment_source"],
        "links": [{"href": f"{url}/agreements/approve?approval_session_id={setup_id}", "rel": "approve"}],
    }
    return account.setups[setup_id]


def setup(account: Account, setup_id: str) -> Document:
    if setup_id not in account.setups:
        raise Refusal(404, "INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND")
    return account.setups[setup_id]


def keep(account: Account, body: object) -> Document:
    said = hold("PaymentTokenRequest", body)["payment_source"]["token"]
    found = setup(account, said["id"])
    if found["status"] != "APPROVED":
        raise Refusal(422, "TOKEN_ALREADY_USED" if found["status"] == "TOKENIZED" else "PAYER_ACTION_REQUIRED")
    found["status"] = "TOKENIZED"
    token = new_id()
    wallet = {"email_address": "jane@example.com", "payer_id": PAYER}
    account.saved[token] = {"id": token, "customer": found["customer"], "payment_source": {"paypal": wallet}}
    account.tell("VAULT.PAYMENT-TOKEN.CREATED", "payment_token", account.saved[token])
    return account.saved[token]


def token(account: Account, token_id: str) -> Document:
    if token_id not in account.saved:
        raise Refusal(404, "TOKEN_NOT_FOUND", "RESOURCE_NOT_FOUND")
    return account.saved[token_id]


def tokens_of(account: Account, customer_id: str) -> Document:
    found = [each for each in account.saved.values() if each["customer"]["id"] == customer_id]
    return {"customer": {"id": customer_id}, "payment_tokens": found}
