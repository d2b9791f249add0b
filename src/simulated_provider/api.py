"""The API that a merchant's program calls, one short function a route."""

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulated_provider import disputes, intents, methods, refunds, schemas, sessions, setups, webhooks
from simulated_provider.accounts import Account
from simulated_provider.desk import desk_of, listed, read, write
from simulated_provider.schemas import Nothing
from simulated_provider.state import Tx
from simulated_provider.wire import Answer


async def create_payment_intent(request: Request) -> Response:
    base_url = desk_of(request).base_url(request)
    return await write(
        request, op="prepare", model=schemas.NewPaymentIntent,
        verb=lambda tx, account, asked, now: intents.create(tx, account, asked, base_url=base_url, now=now),
    )  # fmt: skip


async def confirm_payment_intent(request: Request) -> Response:
    return await write(
        request, op="confirm", model=schemas.Confirmation,
        verb=lambda tx, account, asked, now: intents.confirm(tx, account, request.path_params["id"], asked, now=now),
    )  # fmt: skip


async def cancel_payment_intent(request: Request) -> Response:
    return await write(
        request, op="cancel", model=Nothing,
        verb=lambda tx, account, _, now: intents.cancel(tx, account, request.path_params["id"], now=now),
    )  # fmt: skip


async def create_setup_intent(request: Request) -> Response:
    base_url = desk_of(request).base_url(request)
    return await write(
        request, op="prepare", model=schemas.NewSetupIntent,
        verb=lambda tx, account, asked, now: setups.create(tx, account, asked, base_url=base_url, now=now),
    )  # fmt: skip


async def confirm_setup_intent(request: Request) -> Response:
    return await write(
        request, op="confirm", model=schemas.SetupConfirmation,
        verb=lambda tx, account, asked, now: setups.confirm(tx, account, request.path_params["id"], asked, now=now),
    )  # fmt: skip


async def cancel_setup_intent(request: Request) -> Response:
    return await write(
        request, op="cancel", model=Nothing,
        verb=lambda tx, account, _, now: setups.cancel(tx, account, request.path_params["id"], now=now),
    )  # fmt: skip


async def create_checkout_session(request: Request) -> Response:
    base_url = desk_of(request).base_url(request)
    return await write(
        request, op="session", model=schemas.NewCheckoutSession,
        verb=lambda tx, account, asked, now: sessions.create(tx, account, asked, base_url=base_url, now=now),
    )  # fmt: skip


async def expire_checkout_session(request: Request) -> Response:
    return await write(
        request, op="session", model=Nothing,
        verb=lambda tx, account, _, now: sessions.expire(tx, account, request.path_params["id"], now=now),
    )  # fmt: skip


async def get_checkout_session(request: Request) -> Response:
    return await read(
        request, op="lookup",
        verb=lambda tx, account, now: Answer(sessions.show(tx, account, request.path_params["id"], now=now)),
    )  # fmt: skip


async def get_payment_method(request: Request) -> Response:
    return await read(
        request, op="lookup",
        verb=lambda tx, account, now: Answer(methods.show(tx, account.id, request.path_params["id"], now=now)),
    )  # fmt: skip


async def detach_payment_method(request: Request) -> Response:
    return await write(
        request, op="method", model=Nothing,
        verb=lambda tx, account, _, now: Answer(methods.detach(tx, account.id, request.path_params["id"], now=now)),
    )  # fmt: skip


async def create_refund(request: Request) -> Response:
    return await write(
        request, op="refund", model=schemas.NewRefund,
        verb=lambda tx, account, asked, now: refunds.create(tx, account, asked, now=now),
    )  # fmt: skip


async def register_endpoint(request: Request) -> Response:
    return await write(
        request, op="endpoint", model=schemas.NewWebhookEndpoint,
        verb=lambda tx, account, asked, _: Answer(webhooks.register(tx, account.id, asked)),
    )  # fmt: skip


async def list_endpoints(request: Request) -> Response:
    return await read(
        request, op="lookup",
        verb=lambda tx, account, _: Answer(
            {"object": "list", "data": webhooks.endpoints(tx, account.id), "has_more": False}
        ),
    )  # fmt: skip


async def remove_endpoint(request: Request) -> Response:
    return await write(
        request, op="endpoint", model=Nothing,
        verb=lambda tx, account, *_: Answer(webhooks.remove(tx, account.id, request.path_params["id"])),
    )  # fmt: skip


def _get(kind: str) -> Callable[[Request], object]:
    async def get(request: Request) -> Response:
        def verb(tx: Tx, account: Account, now: datetime) -> Answer:
            return Answer(tx.get(account.id, kind, request.path_params["id"]))

        return await read(request, op="lookup", verb=verb)

    return get


def _list(kind: str) -> Callable[[Request], object]:
    async def find(request: Request) -> Response:
        return await read(request, op="lookup", verb=listed(request, kind=kind))

    return find


ROUTES = [
    Route("/v1/payment_intents", create_payment_intent, methods=["POST"]),
    Route("/v1/payment_intents", _list(intents.KIND)),
    Route("/v1/payment_intents/{id}", _get(intents.KIND)),
    Route("/v1/payment_intents/{id}/confirm", confirm_payment_intent, methods=["POST"]),
    Route("/v1/payment_intents/{id}/cancel", cancel_payment_intent, methods=["POST"]),
    Route("/v1/setup_intents", create_setup_intent, methods=["POST"]),
    Route("/v1/setup_intents", _list(setups.KIND)),
    Route("/v1/setup_intents/{id}", _get(setups.KIND)),
    Route("/v1/setup_intents/{id}/confirm", confirm_setup_intent, methods=["POST"]),
    Route("/v1/setup_intents/{id}/cancel", cancel_setup_intent, methods=["POST"]),
    Route("/v1/checkout_sessions", create_checkout_session, methods=["POST"]),
    Route("/v1/checkout_sessions/{id}", get_checkout_session),
    Route("/v1/checkout_sessions/{id}/expire", expire_checkout_session, methods=["POST"]),
    Route("/v1/payment_methods", _list(methods.KIND)),
    Route("/v1/payment_methods/{id}", get_payment_method),
    Route("/v1/payment_methods/{id}/detach", detach_payment_method, methods=["POST"]),
    Route("/v1/charges", _list("charge")),
    Route("/v1/charges/{id}", _get("charge")),
    Route("/v1/refunds", create_refund, methods=["POST"]),
    Route("/v1/refunds", _list(refunds.KIND)),
    Route("/v1/refunds/{id}", _get(refunds.KIND)),
    Route("/v1/disputes", _list(disputes.KIND)),
    Route("/v1/disputes/{id}", _get(disputes.KIND)),
    Route("/v1/events", _list("event")),
    Route("/v1/events/{id}", _get("event")),
    Route("/v1/webhook_endpoints", register_endpoint, methods=["POST"]),
    Route("/v1/webhook_endpoints", list_endpoints),
    Route("/v1/webhook_endpoints/{id}", remove_endpoint, methods=["DELETE"]),
]
