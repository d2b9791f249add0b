"""What can be asked: the method, the path, the published type of its parameters, and what is done."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from stripe import params
from stripe.params import checkout

from tests.support.fakes.stripe import cards, hooks, intents, listing, pages, returns
from tests.support.fakes.stripe.state import Account, Document

Act = Callable[[Account, str, Document], Document]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: re.Pattern[str]
    shape: type
    op: str  # what a fault calls it
    right: str  # what a restricted key must be allowed
    act: Act


def _route(method: str, path: str, shape: type, op: str, act: Act) -> Route:
    right = path.strip("/").split("/")[0]
    return Route(method, re.compile(f"/v1{path.replace('{id}', '([A-Za-z0-9_]+)')}"), shape, op, right, act)


def _read(kind: str, param: str) -> Act:
    return lambda account, ref, asked: account.get(ref, kind, param=param)


def _list(kind: str) -> Act:
    return lambda account, ref, asked: listing.page(account, kind, asked)


def _session(account: Account, ref: str, asked: Document) -> Document:
    return pages.fresh(account, account.get(ref, "checkout.session", param="session"))


def _customer(account: Account, ref: str, asked: Document) -> Document:
    return account.add("cus", {"object": "customer", "metadata": {}, "email": None, "name": None, **asked})


def _account(account: Account, ref: str, asked: Document) -> Document:
    return {"id": account.id, "object": "account", "charges_enabled": account.charges_enabled, "country": "DE"}


def _attach(account: Account, ref: str, asked: Document) -> Document:
    method = cards.method(account, ref)
    cards.usable(method, asked["customer"])
    cards.attach(method, asked["customer"])
    return method


def routes(base_url: Callable[[], str]) -> list[Route]:
    def open_session(account: Account, ref: str, asked: Document) -> Document:
        return pages.create(account, asked, base_url=base_url())

    return [
        _route("GET", "/account", params.AccountRetrieveCurrentParams, "account", _account),
        _route("GET", "/customers", params.CustomerListParams, "list", _list("customer")),
        _route("POST", "/customers", params.CustomerCreateParams, "customer", _customer),
        _route("GET", "/customers/{id}", params.CustomerRetrieveParams, "customer", _read("customer", "id")),
        _route("POST", "/payment_methods/{id}/attach", params.PaymentMethodAttachParams, "method", _attach),
        _route("GET", "/payment_methods/{id}", params.PaymentMethodRetrieveParams, "method", _read("payment_method", "id")),
        _route("POST", "/payment_intents", params.PaymentIntentCreateParams, "prepare", lambda a, _, p: intents.create(a, p)),
        _route("GET", "/payment_intents", params.PaymentIntentListParams, "list", _list("payment_intent")),
        _route(
            "GET", "/payment_intents/search", params.PaymentIntentSearchParams, "search",
            lambda a, _, p: listing.search(a, "payment_intent", p),
        ),
        _route("GET", "/payment_intents/{id}", params.PaymentIntentRetrieveParams, "lookup", _read("payment_intent", "intent")),
        _route("POST", "/payment_intents/{id}/confirm", params.PaymentIntentConfirmParams, "confirm", intents.confirm),
        _route(
            "POST", "/payment_intents/{id}/cancel", params.PaymentIntentCancelParams, "cancel",
            lambda a, ref, _: intents.cancel(a, ref),
        ),
        _route("POST", "/setup_intents", params.SetupIntentCreateParams, "setup", lambda a, _, p: pages.create_setup(a, p)),
        _route("GET", "/setup_intents", params.SetupIntentListParams, "list", _list("setup_intent")),
        _route("GET", "/setup_intents/{id}", params.SetupIntentRetrieveParams, "lookup", _read("setup_intent", "intent")),
        _route(
            "POST", "/setup_intents/{id}/cancel", params.SetupIntentCancelParams, "cancel",
            lambda a, ref, _: pages.cancel_setup(a, ref),
        ),
        _route("POST", "/checkout/sessions", checkout.SessionCreateParams, "session", open_session),
        _route("GET", "/checkout/sessions", checkout.SessionListParams, "list", _list("checkout.session")),
        _route("GET", "/checkout/sessions/{id}", checkout.SessionRetrieveParams, "lookup", _session),
        _route(
            "POST", "/checkout/sessions/{id}/expire", checkout.SessionExpireParams, "cancel",
            lambda a, ref, _: pages.expire(a, ref),
        ),
        _route("POST", "/refunds", params.RefundCreateParams, "refund", lambda a, _, p: returns.refund(a, p)),
        _route("GET", "/refunds", params.RefundListParams, "list", _list("refund")),
        _route("GET", "/charges", params.ChargeListParams, "list", _list("charge")),
        _route("GET", "/charges/{id}", params.ChargeRetrieveParams, "lookup", _read("charge", "charge")),
        _route("GET", "/balance_transactions", params.BalanceTransactionListParams, "list", _list("balance_transaction")),
        _route("POST", "/webhook_endpoints", params.WebhookEndpointCreateParams, "endpoint", lambda a, _, p: hooks.register(a, p)),
        _route("GET", "/webhook_endpoints", params.WebhookEndpointListParams, "endpoint", _list("webhook_endpoint")),
        _route("POST", "/webhook_endpoints/{id}", params.WebhookEndpointUpdateParams, "endpoint", hooks.update),
        _route(
            "DELETE", "/webhook_endpoints/{id}", params.WebhookEndpointDeleteParams, "endpoint",
            lambda a, ref, _: hooks.remove(a, ref),
        ),
    ]  # fmt: skip
