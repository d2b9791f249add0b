"""Requests given away before they are read, as `entrypoints/wire` gives them: by the application that is asked in this process."""

import asyncio
from typing import Any

import pytest

from guilder.kernel.errors import Unauthenticated
from guilder.platform.http import handed
from guilder.platform.http.app import Application
from guilder.platform.http.asking import asking_of
from guilder.platform.http.handed import Handed

PEER = "127.0.0.1"


def as_sent(scope: Any) -> bytes:
    """Write the head of a request as its sender wrote it."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    lines = [name + b": " + said for name, said in scope["headers"]]
    first = scope["method"].encode() + b" " + scope["raw_path"] + query + b" HTTP/1.1"
    return b"\r\n".join([first, *lines, b"\r\n"])


class Waiting:
    """A connection that hears what became of its request."""

    def __init__(self) -> None:
        self.told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        if not self.told.done():
            head = [tuple(each.split(b": ", 1)) for each in lines.split(b"\r\n") if each]
            self.told.set_result((status, head, body))

    def read_as_ever(self, begun: Handed) -> bool:
        if self.told.done():
            return False
        self.told.set_result(begun)
        return True


def give_away(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Have each POST given away, where its head could have been read before; return of each whether it was answered so."""
    answered: list[bool] = []
    as_ever = Application.__call__

    async def call(app: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or app.ahead is None:
            await as_ever(app, scope, receive, send)
            return
        body = await _body(receive)
        await _read_before(app, scope, body)
        waiting = Waiting()
        told = None
        if app.gather_again(as_sent(scope), body, scope["client"][0], waiting):
            told = await waiting.told
        answered.append(isinstance(told, tuple))
        if isinstance(told, tuple):
            status, head, said = told
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send({"type": "http.response.body", "body": said})
            return
        if told is not None:
            scope[handed.KEY] = told
        await as_ever(app, scope, _again(body), send)

    monkeypatch.setattr(Application, "__call__", call)
    return answered


async def _read_before(app: Any, scope: Any, body: bytes) -> None:
    """Have the head remembered, as one is whose request was answered ahead."""
    asking = asking_of(scope)
    if asking is None:
        return
    try:
        await app.state.edge.authenticate.principal_of(asking.authorization.decode().removeprefix("Bearer "))
    except Unauthenticated:
        return
    asked = app.ahead._find(scope, asking)
    if asked is not None:
        app.ahead.again.remember(as_sent(scope) + body, scope, asked.hot, asking, asked.path)


async def _body(receive: Any) -> bytes:
    said: bytes = b""
    while True:
        message = await receive()
        said += message.get("body", b"")
        if not message.get("more_body"):
            return said


def _again(body: bytes) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive
