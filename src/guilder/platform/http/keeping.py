"""Answers that may be a few seconds old: looked for where processes keep them, and kept there."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TypeVar

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from guilder.platform.auth.principal import Principal
from guilder.platform.cache.answers import Answers, Question
from guilder.platform.http import placing
from guilder.platform.http.at_hand import OWN, AtHand, Place
from guilder.platform.http.exchange import Exchange
from guilder.platform.http.limits import Want
from guilder.platform.http.rules import Kept
from guilder.platform.http.shield import set_headers

S = TypeVar("S")
Answered = tuple[Response, S | None]


async def answered(
    answers: Answers,
    kept: Kept,
    request: Request,
    principal: Principal,
    version: str,
    ask: Callable[[], Awaitable[Answered[S]]],
) -> Answered[S]:
    """Return the kept answer, or the one that `ask` finds, and keep that.

    A sandbox is always asked: its time goes by leaps. So is whoever says how new the answer has to be.
    """
    if principal.is_in_sandbox or placing.HEADER in request.headers:
        return await ask()
    question = _question(kept, request, principal, version)
    found = await answers.find(question)
    if found.answer is not None:
        return Response(found.answer, media_type="application/json"), None
    answer, session = await ask()
    if answer.status_code == HTTPStatus.OK:
        await answers.keep(question, found, bytes(answer.body))
    return answer, session


def place(at_hand: AtHand | None, kept: Kept | None, request: Request, principal: Principal) -> Place | None:
    """Say where the answer to this may be kept at hand, before it is read; None: nowhere."""
    if at_hand is None or kept is None:
        return None
    return at_hand.place(request.scope, principal, kept, request.path_params)


def keep_at_hand(
    at_hand: AtHand | None, place: Place | None, answer: Response, *, exchange: Exchange, wants: Sequence[Want]
) -> None:
    """Keep what was read from PostgreSQL, as it is shown to who asked: what Redis kept has an age of its own already."""
    if at_hand is None or place is None:
        return
    headers = MutableHeaders(raw=list(answer.raw_headers))
    set_headers(headers, {name: said for name, said in exchange.headers.items() if name not in OWN})
    at_hand.keep(place, answer, route=exchange.route, wants=wants, head=headers.raw)


def _question(kept: Kept, request: Request, principal: Principal, version: str) -> Question:
    # Kept before anything is withheld from anybody; but whose eyes it is for is a part of what was asked.
    who = f"{principal.kind} {principal.role} {principal.customer_id or ''}"
    return Question(
        tenant_id=principal.tenant_id,
        room=kept.room,
        subject=kept.subject(request.path_params),
        exactly=f"{version}\n{who}\n{request.url.path}\n{request.url.query}",
        seconds=kept.seconds,
    )
