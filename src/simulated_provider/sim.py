"""The other side of the counter: what tests and operators ask for, without a key. A real provider has none of this."""

from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulated_provider import (
    accounts,
    cards,
    disputes,
    faults,
    intents,
    methods,
    pages,
    schemas,
    sessions,
    settlement,
    setups,
    webhooks,
)
from simulated_provider.accounts import Account
from simulated_provider.desk import desk_of, given_time
from simulated_provider.state import Tx
from simulated_provider.wire import Document, Problem, parse, public, raw_body

EVENTS_MAX = 1000


def _in_account(request: Request, verb: Callable[[Tx, Account, datetime], Document]) -> JSONResponse:
    """Run a verb on the account that the path names; naming it opens it."""
    with desk_of(request).store.transaction() as tx:
        account = accounts.ensure(tx, request.path_params["account"])
        account, now = settlement.catch_up(tx, account, given=given_time(request), wall=accounts.wall_clock())
        return JSONResponse(public(verb(tx, account, now)))


def _shown(tx: Tx, account: Account, now: datetime) -> Document:
    return {
        "account": account.id,
        "now": now.isoformat(),
        "has_own_clock": account.clock is not None,
        "revoked": account.is_revoked,
        "merchant_name": account.merchant_name,
        "slow_seconds": account.slow_s,
        "async_delay_seconds": account.async_delay_s,
        "webhooks": webhooks.mode_of(tx, account.id),
        "faults": faults.standing(tx, account.id),
    }


async def open_account(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.NewAccount)
    with desk_of(request).store.transaction() as tx:
        account = accounts.open_with_key(tx, asked)
        return JSONResponse(_shown(tx, account, accounts.now(account, wall=accounts.wall_clock())))


async def show_account(request: Request) -> JSONResponse:
    return _in_account(request, _shown)


async def move_clock(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.ClockMove)

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        moved, later = settlement.catch_up(tx, account, given=asked.now, wall=accounts.wall_clock())
        return _shown(tx, moved, later)

    return _in_account(request, verb)


async def change_settings(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.Settings)
    return _in_account(
        request, lambda tx, account, now: _shown(tx, accounts.change_settings(tx, account.id, asked), now)
    )


async def set_fault(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.Fault)

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        faults.put(tx, account.id, asked)
        return {"faults": faults.standing(tx, account.id), "revoked": accounts.get(tx, account.id).is_revoked}

    return _in_account(request, verb)


async def show_held(request: Request) -> JSONResponse:
    return JSONResponse({"held": desk_of(request).holds.of(request.path_params["account"])})


async def release(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.Release)
    return JSONResponse({"released": desk_of(request).holds.release(request.path_params["account"], drop=asked.drop)})


async def set_webhooks(request: Request) -> JSONResponse:
    """Change how events are delivered from now on; going back to ok sends what was held, and waits."""
    asked = parse(await raw_body(request), schemas.WebhookMode)
    left = ""

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        nonlocal left
        left = webhooks.mode_of(tx, account.id)["mode"]
        webhooks.set_mode(tx, account.id, asked)
        return {}

    _in_account(request, verb)
    told = []
    # Whatever the mode before: what is held may be from one before that, or from before a restart.
    if asked.mode in {"ok", "duplicate"}:
        told = await _send_held(request, order="reverse" if left == "reverse" else "forward")
    return JSONResponse({"mode": asked.mode, "delivered": told})


async def release_webhooks(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.WebhookRelease)
    return JSONResponse({"delivered": await _send_held(request, order=asked.order)})


async def _send_held(request: Request, *, order: str | list[str]) -> list[dict[str, str]]:
    desk = desk_of(request)
    with desk.store.transaction() as tx:
        waiting = webhooks.held(tx, request.path_params["account"])
    if order == "reverse":
        waiting.reverse()
    elif isinstance(order, list):
        waiting = [row for event_id in order for row in waiting if row["event_id"] == event_id]
    return await desk.courier.deliver_in_order(waiting)


async def redeliver(request: Request) -> JSONResponse:
    asked = parse(await raw_body(request), schemas.Redelivery)

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        webhooks.redeliver(tx, account.id, request.path_params["id"], copies=asked.copies)
        return {"event": request.path_params["id"], "copies": asked.copies}

    return _in_account(request, verb)


async def list_events(request: Request) -> JSONResponse:
    """Show the newest events, oldest first, and what became of each delivery."""

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        events = tx.find(account.id, "event", metadata={}, limit=EVENTS_MAX)[::-1]
        for event in events:
            rows = tx.rows("select status, attempts, last_answer from deliveries where event_id = ?", event["id"])
            event["deliveries"] = [dict(row) for row in rows]
        return {"events": events}

    return _in_account(request, verb)


async def idle(request: Request) -> JSONResponse:
    """Say whether this account is at rest: nothing is on its way, and when its clock will bring something next."""

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        counts = webhooks.counts(tx, account.id)
        return {
            "undelivered": counts.get("pending", 0),
            "held": counts.get("held", 0),
            "next_due_at": settlement.next_due_at(tx, account.id),
            "now": now.isoformat(),
        }

    return _in_account(request, verb)


async def authenticate(request: Request) -> JSONResponse:
    """Approve or refuse a challenge as the customer would on the bank's page."""
    asked = parse(await raw_body(request), schemas.Challenge)

    def verb(tx: Tx, account: Account, now: datetime) -> Document:
        intent_id = request.path_params["id"]
        kind = setups.KIND if intent_id.startswith("seti_") else intents.KIND
        intent = tx.get(account.id, kind, intent_id)
        answer = sessions.authenticate(tx, account, intent, approve=asked.approve, now=now)
        return faults.subject(answer.body)

    return _in_account(request, verb)


async def renew_card(request: Request) -> JSONResponse:
    """Have a saved card's bank issue it anew, and the network tell of it."""
    asked = parse(await raw_body(request), schemas.Renewal)
    method_id = request.path_params["id"]
    return _in_account(request, lambda tx, account, now: methods.renew(tx, account.id, method_id, asked, now=now))


async def open_dispute(request: Request) -> JSONResponse:
    """Have a customer's bank take a charge back, or ask about it."""
    asked = parse(await raw_body(request), schemas.NewDispute)
    return _in_account(request, lambda tx, account, now: disputes.create(tx, account, asked, now=now))


async def move_dispute(request: Request) -> JSONResponse:
    """Have the bank decide."""
    asked = parse(await raw_body(request), schemas.DisputeMove)
    dispute_id = request.path_params["id"]
    return _in_account(request, lambda tx, account, now: disputes.move(tx, account, dispute_id, asked, now=now))


async def journal(request: Request) -> JSONResponse:
    """Show every charge and refund there ever was, of one account or of all: the truth that others are checked by."""
    if unknown := set(request.query_params) - {"account"}:
        raise Problem(400, "parameter_unknown", "Only ?account= is understood here.", param=min(unknown))
    account = request.query_params.get("account")
    with desk_of(request).store.transaction() as tx:
        charges = [_charge(charge) for charge in tx.everything(account, "charge")]
        refunds = [_refund(refund) for refund in tx.everything(account, "refund")]
    return JSONResponse({"charges": charges, "refunds": refunds})


def _charge(charge: Document) -> Document:
    return {
        "ref": charge["payment_intent"],
        "intent": charge["payment_intent"],
        "charge": charge["id"],
        "business_key": charge["metadata"].get("business_key"),
        **{name: charge[name] for name in ("metadata", "amount", "currency", "status", "at")},
    }


def _refund(refund: Document) -> Document:
    return {
        "ref": refund["id"],
        "charge_ref": refund["payment_intent"],
        "business_key": refund["metadata"].get("business_key"),
        **{name: refund[name] for name in ("metadata", "amount", "currency", "status", "at")},
    }


async def list_cards(request: Request) -> Response:
    if "text/html" in request.headers.get("Accept", ""):
        return pages.show_cards()
    shown = [
        {"token": card.token, "number": card.number, "title": card.title, "says": card.says} for card in cards.CARDS
    ]
    return JSONResponse({"cards": shown})


ROUTES = [
    Route("/sim/journal", journal),
    Route("/sim/cards", list_cards),
    Route("/sim/accounts", open_account, methods=["POST"]),
    Route("/sim/accounts/{account}", show_account),
    Route("/sim/accounts/{account}/clock", move_clock, methods=["POST"]),
    Route("/sim/accounts/{account}/settings", change_settings, methods=["POST"]),
    Route("/sim/accounts/{account}/faults", set_fault, methods=["POST"]),
    Route("/sim/accounts/{account}/held", show_held),
    Route("/sim/accounts/{account}/release", release, methods=["POST"]),
    Route("/sim/accounts/{account}/webhooks", set_webhooks, methods=["POST"]),
    Route("/sim/accounts/{account}/webhooks/release", release_webhooks, methods=["POST"]),
    Route("/sim/accounts/{account}/events", list_events),
    Route("/sim/accounts/{account}/events/{id}/redeliver", redeliver, methods=["POST"]),
    Route("/sim/accounts/{account}/idle", idle),
    Route("/sim/accounts/{account}/payment_methods/{id}/renew", renew_card, methods=["POST"]),
    Route("/sim/accounts/{account}/disputes", open_dispute, methods=["POST"]),
    Route("/sim/accounts/{account}/disputes/{id}", move_dispute, methods=["POST"]),
    Route("/sim/accounts/{account}/intents/{id}/authenticate", authenticate, methods=["POST"]),
]
