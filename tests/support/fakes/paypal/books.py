"""Webhooks v1 and Transaction Search v1 as PayPal answers them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tests.support.fakes.paypal.account import Account, Document, Refusal, new_id


def add_webhook(account: Account, body: object) -> Document:
    assert isinstance(body, dict)
    if set(body) != {"url", "event_types"} or not str(body["url"]).startswith("http"):
        raise Refusal(400, "VALIDATION_ERROR", "VALIDATION_ERROR")
    if any(each["url"] == body["url"] for each in account.webhooks.values()):
        raise Refusal(400, "WEBHOOK_URL_ALREADY_EXISTS", "WEBHOOK_URL_ALREADY_EXISTS")
    webhook_id = new_id()
    account.webhooks[webhook_id] = {"id": webhook_id, **body}
    return account.webhooks[webhook_id]


def change_webhook(account: Account, webhook_id: str, body: object) -> Document:
    assert isinstance(body, list)
    if webhook_id not in account.webhooks:
        raise Refusal(404, "INVALID_RESOURCE_ID", "INVALID_RESOURCE_ID")
    for change in body:
        account.webhooks[webhook_id][change["path"].removeprefix("/")] = change["value"]
    return account.webhooks[webhook_id]


def search(account: Account, query: Mapping[str, str]) -> Document:
    since, until = datetime.fromisoformat(query["start_date"]), datetime.fromisoformat(query["end_date"])
    if until - since > timedelta(days=31):
        raise Refusal(400, "INVALID_REQUEST", "INVALID_REQUEST")
    size, page = int(query.get("page_size", "100")), int(query.get("page", "1"))
    assert page >= 1
    assert 1 <= size <= 500
    found = [each for each in account.transactions if since <= _at(each) <= until]
    shown = sorted(found, key=_at)[(page - 1) * size : page * size]
    return {
        "transaction_details": [{"transaction_info": each} for each in shown],
        "page": page,
        "total_items": len(found),
        "total_pages": -(-len(found) // size),
    }


def _at(entry: Document) -> datetime:
    return datetime.fromisoformat(entry["transaction_initiation_date"])
