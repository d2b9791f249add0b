"""The hosted page: where the customer types a test card, and where their "bank" asks them to approve.

No script, no picture, no font from elsewhere: one style sheet, inline and named by its hash in the policy.
"""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs

from babel.numbers import format_currency, get_currency_precision
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from simulated_provider import accounts, cards, intents, methods, schemas, sessions, settlement, setups
from simulated_provider.accounts import Account
from simulated_provider.cards import Card
from simulated_provider.desk import desk_of
from simulated_provider.intents import Status
from simulated_provider.state import Tx, unix
from simulated_provider.wire import Answer, Document, Dropped, Problem, raw_body

TEMPLATES = Path(__file__).parent / "templates"
STYLE = (TEMPLATES / "page.css").read_text()
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)

NOT_READABLE = "Enter a card number, an expiry date as MM / YY and a security code of 3 or 4 digits."
NETWORK_DOWN = "The card network cannot be reached right now. You have not been charged. Please try again."

Filled = dict[str, str]
EMPTY: Filled = {"number": "", "expiry": "", "cvc": "", "name": ""}


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came to pay what, and when."""

    account: Account
    session: Document
    intent: Document
    now: datetime


def _visit(tx: Tx, session_id: str) -> Visit:
    account, _ = sessions.of_page(tx, session_id)
    account, now = settlement.catch_up(tx, account, given=None, wall=accounts.wall_clock())
    session = sessions.show(tx, account, session_id, now=now)
    return Visit(account, session, sessions.intent_of(tx, account, session), now)


async def show(request: Request) -> Response:
    try:
        with desk_of(request).store.transaction() as tx:
            visit = _visit(tx, request.path_params["session"])
    except Problem:
        return _notice("This page does not exist", "The address is not one of a payment. Ask for a new link.", 404)
    filled = _filled_with(cards.BY_TOKEN.get(request.query_params.get("card", "")))
    return _page(visit, filled=filled, declined=_last_decline(visit))


async def pay(request: Request) -> Response:
    """Do what the card says, then send the customer back to the merchant; or show why not, and let them try again."""
    form = {name: values[-1] for name, values in parse_qs((await raw_body(request)).decode(errors="replace")).items()}
    filled = {name: form.get(name, "").strip()[:80] for name in EMPTY}
    try:
        with desk_of(request).store.transaction() as tx:
            visit = _visit(tx, request.path_params["session"])
            if _over(visit):
                return _page(visit, filled=EMPTY, declined=None, status=409)
            means = methods.typed(_card_of(filled), now=visit.now)
            answer = sessions.pay(tx, visit.account, visit.intent, means=means, now=visit.now)
    except Problem as problem:
        return await _refused(request, problem, filled=filled)
    return await _answered(visit, answer, filled=filled)


async def _refused(request: Request, problem: Problem, *, filled: Filled) -> Response:
    if problem.status == 404:
        return await show(request)
    with desk_of(request).store.transaction() as tx:
        visit = _visit(tx, request.path_params["session"])
    why = NETWORK_DOWN if problem.status == 503 else str(problem)
    # What may be a real card's number is not sent back, whoever typed it.
    shown = filled | ({"number": "", "cvc": ""} if problem.status != 503 else {})
    return _page(visit, filled=shown, declined=why, status=problem.status)


async def _answered(visit: Visit, answer: Answer, *, filled: Filled) -> Response:
    if answer.is_lost:
        return Dropped()
    await asyncio.sleep(answer.late_by_s)
    if answer.status == 402:
        return _page(visit, filled=filled, declined=answer.body["error"]["message"], status=402)
    if answer.body["status"] == Status.REQUIRES_ACTION:
        return RedirectResponse(f"/authenticate/{visit.intent['id']}", status_code=303)
    return RedirectResponse(sessions.return_url(visit.session), status_code=303)


async def show_challenge(request: Request) -> Response:
    found = _challenged(request)
    if found is None:
        return _notice("Nothing to approve", "This payment does not wait for an approval.", 404)
    account, intent, session = found
    return _html("authenticate.html", session=session, intent=intent, merchant=_merchant(account, session))


async def answer_challenge(request: Request) -> Response:
    form = parse_qs((await raw_body(request)).decode(errors="replace"))
    found = _challenged(request)
    if found is None or form.get("decision", [""])[-1] not in {"approve", "refuse"}:
        return _notice("Nothing to approve", "This payment does not wait for an approval.", 409)
    account, intent, session = found
    with desk_of(request).store.transaction() as tx:
        account, now = settlement.catch_up(tx, account, given=None, wall=accounts.wall_clock())
        answer = sessions.authenticate(tx, account, intent, approve=form["decision"][-1] == "approve", now=now)
    if session is None:
        return _notice("Thank you", "Your answer was passed on. You can close this window.", 200)
    if answer.status == 402:
        return RedirectResponse(f"/pay/{session['id']}", status_code=303)
    return RedirectResponse(sessions.return_url(session), status_code=303)


def _challenged(request: Request) -> tuple[Account, Document, Document | None] | None:
    intent_id = request.path_params["id"]
    kind = setups.KIND if intent_id.startswith("seti_") else intents.KIND
    with desk_of(request).store.transaction() as tx:
        row = tx.row("select account from objects where id = ? and kind = ?", intent_id, kind)
        if row is None:
            return None
        account = accounts.get(tx, row["account"])
        intent = tx.get(account.id, kind, intent_id)
        return (account, intent, sessions.of_intent(tx, account, intent)) if _waits(intent) else None


def _waits(intent: Document) -> bool:
    return Status(intent["status"]) is Status.REQUIRES_ACTION


def _over(visit: Visit) -> bool:
    """Say whether there is nothing left to pay here."""
    return visit.session["status"] != "open" or Status(visit.intent["status"]) is Status.CANCELED


def _last_decline(visit: Visit) -> str | None:
    failed = visit.intent["status"] == Status.REQUIRES_PAYMENT_METHOD and visit.intent["last_error"]
    return str(failed["message"]) if failed else None


def _card_of(filled: Filled) -> schemas.CardDetails:
    """Read the form.

    :raises Problem: it cannot be read as a card
    """
    month, _, year = filled["expiry"].replace(" ", "").partition("/")
    is_cvc = filled["cvc"].isascii() and filled["cvc"].isdigit() and 3 <= len(filled["cvc"]) <= 4
    is_date = month.isdecimal() and year.isdecimal() and len(year) in {2, 4} and 1 <= int(month) <= 12
    number = filled["number"].replace(" ", "").replace("-", "")
    if not (is_cvc and is_date and number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        raise Problem(422, "card_unreadable", NOT_READABLE)
    full_year = int(year) + (2000 if len(year) == 2 else 0)
    return schemas.CardDetails.model_construct(
        number=number, exp_month=int(month), exp_year=full_year, cvc=filled["cvc"]
    )


def _filled_with(card: Card | None) -> Filled:
    if card is None:
        return EMPTY
    expiry = f"{cards.EXP_MONTH:02} / {cards.EXP_YEAR % 100}"
    return {"number": card.spaced, "expiry": expiry, "cvc": "123", "name": "Test Customer"}


def money(amount: int, currency: str) -> str:
    return format_currency(Decimal(amount).scaleb(-get_currency_precision(currency)), currency, locale="en")


def _merchant(account: Account, session: Document | None) -> str:
    return str(session["merchant_name"]) if session else account.merchant_name


def _page(visit: Visit, *, filled: Filled, declined: str | None, status: int = 200) -> Response:
    state = visit.session["status"]
    if visit.intent["status"] in {Status.CANCELED, Status.PROCESSING, Status.SUCCEEDED}:
        state = visit.intent["status"]
    return _html(
        "pay.html",
        status=status,
        session=visit.session,
        intent=visit.intent,
        merchant=_merchant(visit.account, visit.session),
        state=str(state),
        return_url=sessions.return_url(visit.session),
        filled=filled,
        declined=declined,
        cards=cards.CARDS,
        expires_in_h=max(0, (visit.session["expires_at"] - unix(visit.now)) // 3600),
    )


def show_cards() -> Response:
    """Show every test card, as a page to be looked at."""
    return _html("cards.html", session=None, merchant="Simulated provider", cards=cards.CARDS)


def _notice(title: str, text: str, status: int) -> Response:
    return _html("notice.html", status=status, session=None, merchant="Simulated provider", title=title, text=text)


def _html(template: str, *, session: Document | None, status: int = 200, **values: object) -> Response:
    targets = " ".join(["'self'", *(sessions.origins(session) if session else [])])
    text = ENVIRONMENT.get_template(template).render(style=STYLE, session=session, money=money, **values)
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action {targets};"
        " base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(text, status_code=status, headers=headers)


ROUTES = [
    Route("/pay/{session}", show),
    Route("/pay/{session}", pay, methods=["POST"]),
    Route("/authenticate/{id}", show_challenge),
    Route("/authenticate/{id}", answer_challenge, methods=["POST"]),
]
