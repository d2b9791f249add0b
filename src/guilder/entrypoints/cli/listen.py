"""`guilder listen`: a tenant's events on a laptop, printed as they happen or posted to an address of one's own."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import msgspec
import typer
from rich.markup import escape

from guilder.domain.webhooks.rules import signing
from guilder.entrypoints.cli.speaking import Trouble, out, progress
from guilder.kernel import ids
from guilder.platform.clock import WallClock
from guilder.platform.config import read_settings

LOOK_EVERY_S = 1.0
PAGE = 100
ASK_TIMEOUT_S = 15.0
POST_TIMEOUT_S = 15.0
_LONG = 60
_QUIET = frozenset({"tenant_id"})


def listen(
    key: Annotated[str, typer.Option("--key", envvar="GUILDER_API_KEY", help="An API key that may read events.")] = "",
    forward_to: Annotated[
        str | None, typer.Option(help="Post each event there, signed as a webhook: http://localhost:3000/hook")
    ] = None,
    events: Annotated[str, typer.Option(help="Which: 'invoicing.*,payments.payment.failed'. All, if not said.")] = "",
    url: Annotated[str | None, typer.Option(help="Where Guilder is; this machine's, if not said.")] = None,
    from_beginning: Annotated[bool, typer.Option(help="Begin with the oldest event that is kept.")] = False,
) -> None:
    """Print events as they happen; with --forward-to, post them to you as webhooks are, signed with a printed secret.

    It follows the feed with an API key, so it needs no address that can be reached from outside. Ctrl-C ends it.
    """
    if not key:
        raise Trouble("say who listens: set GUILDER_API_KEY, or use --key (`guilder keys create` makes one)")
    if forward_to is not None and urlsplit(forward_to).scheme not in {"http", "https"}:
        raise Trouble(f"events are posted to an http address, and {forward_to} is none")
    base_url = url or read_settings().base_url
    asyncio.run(_listen(base_url, key, forward_to, events, from_beginning=from_beginning))


async def _listen(base_url: str, key: str, forward_to: str | None, types: str, *, from_beginning: bool) -> None:
    secret = signing.secret_of(secrets.token_bytes(signing.SECRET_BYTES))
    headers = {"authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=ASK_TIMEOUT_S, trust_env=False) as guilder,
        httpx.AsyncClient(timeout=POST_TIMEOUT_S, trust_env=False) as receiver,
    ):
        try:
            latest = (await _ask(guilder, "latest", types))["page"]["next_cursor"]
        except httpx.TransportError as error:
            raise Trouble(f"Guilder does not answer at {base_url}: does `guilder up` run?") from error
        progress(f"listening at {base_url}; Ctrl-C ends it")
        if forward_to is not None:
            out.print(f"Signed with {secret}")
        async for event in _follow(guilder, None if from_beginning else latest, types):
            outcome = await _forward(receiver, forward_to, secret, event) if forward_to is not None else ""
            out.print(escape(line_of(event)) + outcome, soft_wrap=True)


async def _follow(guilder: httpx.AsyncClient, cursor: str | None, types: str) -> AsyncIterator[dict[str, Any]]:
    """Yield events for ever; while Guilder is away, wait for it."""
    while True:
        try:
            answer = await _ask(guilder, cursor, types)
        except httpx.TransportError as error:
            progress(f"Guilder does not answer ({type(error).__name__}); asking again")
            await asyncio.sleep(LOOK_EVERY_S)
            continue
        for event in answer["data"]:
            yield event
        cursor = answer["page"]["next_cursor"]
        if not answer["page"]["has_more"]:
            await asyncio.sleep(LOOK_EVERY_S)


async def _ask(guilder: httpx.AsyncClient, cursor: str | None, types: str) -> dict[str, Any]:
    said: dict[str, str | int] = {"limit": PAGE}
    said |= {name: value for name, value in (("cursor", cursor), ("types", types)) if value}
    answer = await guilder.get("/api/events", params=said)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise httpx.TransportError(f"answered {answer.status_code}")
    if not answer.is_success:
        problem = msgspec.json.decode(answer.content, type=dict[str, Any])
        raise Trouble(f"Guilder says: {problem.get('detail') or problem.get('title')}")
    return msgspec.json.decode(answer.content, type=dict[str, Any])


async def _forward(receiver: httpx.AsyncClient, url: str, secret: str, event: dict[str, Any]) -> str:
    """Post one event as a webhook is posted, once; say how it went."""
    body = body_of(event)
    signed = signing.headers(
        [secret],
        message_id=ids.to_text("msg", UUID(event["id"])),
        timestamp=int(WallClock().now().timestamp()),
        body=body,
    )
    try:
        answer = await receiver.post(url, content=body, headers={"content-type": "application/json", **signed})
    except httpx.HTTPError as error:
        return f"  [red]{type(error).__name__}[/red]"
    return f"  [{'green' if answer.is_success else 'red'}]{answer.status_code}[/]"


def body_of(event: dict[str, Any]) -> bytes:
    """Write an event of the feed as a webhook says it."""
    return msgspec.json.encode(
        {
            "type": event["type"],
            "timestamp": event["time"],
            "event_id": event["id"],
            "data": event["data"],
        }
    )


def line_of(event: dict[str, Any]) -> str:
    """Write an event on one line: when, what, and what of."""
    said = [
        f"{name}={_brief(value)}" for name, value in event["data"].items() if name not in _QUIET and value is not None
    ]
    return f"{event['time'][:19]}  {event['type']}  {' '.join(said)}".rstrip()


def _brief(value: object) -> str:
    match value:
        case {"minor": int(minor), "currency": str(currency)}:
            return f"{minor} {currency}"
        case str():
            text = value
        case _:
            text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
