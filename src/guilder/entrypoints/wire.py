"""The wire: what a connection may take of this process before a request is whole.

uvicorn waits for the rest of a head as long as it takes, and keeps whatever comes of it. Here a head has a size and a
time, and what is no HTTP is answered in the one shape of problems and with the headers that every answer has.

    the first byte, and the next request's     within `HEAD_TIMEOUT_S` of the connection, or of the answer before it
    a head                                     `HEAD_BYTES_MAX` in all, `HEADERS_MAX` lines
    a body                                     by the edge: its size by the route's rules, its time by the settings
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from secrets import token_hex
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from guilder.platform.http.at_hand import Head
from guilder.platform.http.errors import problem
from guilder.platform.http.shield import ALWAYS, UNLESS_SAID
from guilder.platform.http.whole import KEY

log = structlog.get_logger("guilder.wire")

HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100
HEAD_TIMEOUT_S = 15.0
HEAD_END = b"\r\n\r\n"
STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}


class _HeadTooLarge(Exception):
    """Ends the parsing of a request; the parser turns it into its own error."""


class Wire(HttpToolsProtocol):
    """uvicorn's connection, with limits."""

    _patience: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _fields_bytes = 0
    _is_in_head = True
    _refused_with = HTTPStatus.BAD_REQUEST
    # Something of a request has come, and not yet all of it.
    _is_begun = False
    # What came at one go where nothing had come before it: perhaps a whole request.
    _piece = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._piece = b""
        if self._is_between():
            if self._answers_again(data):
                return
            self._piece = data
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        # What is behind a head in the same piece has been counted, too, and forgotten when the head was whole.
        if self._is_in_head and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._fields_bytes, self._is_begun = True, 0, True

    def on_message_complete(self) -> None:
        self._is_begun = False
        super().on_message_complete()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._check_head(len(self.url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._fields_bytes += len(name) + len(value)
        self._check_head(self._fields_bytes)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._head_bytes = False, 0
        self._wait_no_more()
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not self._answers_at_once(cycle, app):
            scope: Any = cycle.scope  # open to more than its type says
            scope[KEY] = _Whole(self, cycle)
            super()._start_asgi_task(cycle, app)

    def _answers_at_once(self, cycle: RequestResponseCycle, app: Any) -> bool:
        """Write the answer where it is at hand, and say whether it was: no task is made, and nothing is waited for.

        Not while others wait behind it: each would be answered from within the one before.
        """
        at_once = getattr(app, "at_once", None)
        if at_once is None or self.pipeline or not self.takes_whole(cycle):
            return False
        if (answer := _tried(at_once, cycle.scope)) is None:
            return False
        self.write_whole(cycle, HTTPStatus.OK, *answer)
        if self._piece.endswith(HEAD_END) and self._piece.count(HEAD_END) == 1:
            app.remember(self._piece, cycle.scope)
        return True

    def _is_between(self) -> bool:
        """Say whether all that was asked is answered, and nothing has come of what is asked next."""
        cycle: RequestResponseCycle | None = self.cycle  # there is none before the first
        has_answered = cycle is None or cycle.response_complete
        return has_answered and not (self._is_begun or self.pipeline or self.flow.write_paused)

    def _answers_again(self, data: bytes) -> bool:
        """Answer a request that came whole and is word for word one that was answered at once: it is not even parsed."""
        again = getattr(self.app, "at_once_again", None)
        if again is None:
            return False
        if (answer := _tried(again, data)) is None:
            return False
        self._unset_keepalive_if_required()
        self._write(self.server_state.default_headers, HTTPStatus.OK, *answer)
        self.on_response_complete()
        return True

    def takes_whole(self, cycle: RequestResponseCycle) -> bool:
        """Say whether an answer may be written at one go: not the last of a connection, nor to who does not read."""
        return cycle.keep_alive and not (self.flow.write_paused or cycle.disconnected or cycle.response_started)

    def write_whole(self, cycle: RequestResponseCycle, status: int, head: Head, body: bytes) -> None:
        """Write an answer whole, and go on to what is asked next."""
        self._write(cycle.default_headers, status, head, body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.on_response_complete()

    def _write(self, usual: Head, status: int, head: Head, body: bytes) -> None:
        said = [STATUS_LINES[status]]
        for name, value in (*usual, *head):
            said += (name, b": ", value, b"\r\n")
        self.transport.write(b"".join((*said, b"\r\n", body)))

    def on_response_complete(self) -> None:
        has_another = bool(self.pipeline)
        super().on_response_complete()
        if not has_another and not self.transport.is_closing():
            self._wait_for_a_head()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refused_with)

    def _check_head(self, size: int) -> None:
        if size > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._refused_with = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _HeadTooLarge

    def _wait_for_a_head(self) -> None:
        self._wait_no_more()
        # Counted from here and not from the last byte: a byte a second would be patience without end.
        self._patience = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._is_in_head and self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            # Nothing was asked, or all that was asked is answered: there is nothing more to say.
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        answer = problem(
            status=status.value,
            code=status.name.lower(),
            detail=status.description or status.phrase,
            request_id=f"req_{token_hex(12)}",
        )
        body = bytes(answer.body)
        headers: dict[str, Any] = {
            **ALWAYS,
            **UNLESS_SAID,
            "Content-Type": answer.media_type,
            "Content-Length": len(body),
            "Connection": "close",
        }
        head = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body)
        self.transport.close()


class _Whole:
    """One request of a connection, as `Whole` says."""

    __slots__ = ("_cycle", "_wire")

    def __init__(self, wire: Wire, cycle: RequestResponseCycle) -> None:
        self._wire, self._cycle = wire, cycle

    def body(self) -> bytes | None:
        cycle = self._cycle
        return None if cycle.more_body or cycle.disconnected else bytes(cycle.body)

    def answer(self, status: int, head: Head, body: bytes) -> bool:
        if not self._wire.takes_whole(self._cycle):
            return False
        self._wire.write_whole(self._cycle, status, head, body)
        return True


def _tried(find: Callable[[Any], tuple[Head, bytes] | None], said: Any) -> tuple[Head, bytes] | None:
    try:
        return find(said)
    except Exception:
        log.exception("not_at_once")  # it goes the whole way, and fails there if it must
        return None
