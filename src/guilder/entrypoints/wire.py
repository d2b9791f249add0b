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

from guilder.platform.http import handed, whole
from guilder.platform.http.at_hand import Head
from guilder.platform.http.errors import problem
from guilder.platform.http.handed import Handed
from guilder.platform.http.shield import ALWAYS, UNLESS_SAID

log = structlog.get_logger("guilder.wire")

HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100
HEAD_TIMEOUT_S = 15.0
HEAD_END = b"\r\n\r\n"
POST = b"POST "
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
    # A head that was read before, and whose body is still to come.
    _held = b""
    # A request that was given away unread; what came behind it; and what became of it, where it is read after all.
    _given: bytes | None = None
    _behind = b""
    _begun: Handed | None = None
    _is_leaving = _is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        self._is_lost = True
        self._wait_no_more()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._is_leaving = True
        self._let_go()
        if self._given is None:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._given is not None:
            # Its turn comes when that is answered; until then no more is taken.
            self.flow.pause_reading()
            self._behind += data
            return
        data, self._held = self._held + data, b""
        is_between = self._is_between()
        if is_between and (self._gives_away(data) if data.startswith(POST) else self._answers_again(data)):
            return
        self._read(data, piece=data if is_between else b"")

    def _read(self, data: bytes, *, piece: bytes = b"") -> None:
        self._piece = piece
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
        if self._begun is None and self._answers_at_once(cycle, app):
            return
        scope: Any = cycle.scope  # open to more than its type says
        if self._begun is not None:
            scope[handed.KEY], self._begun = self._begun, None
        scope[whole.KEY] = _Whole(self, cycle, self._piece)
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

    def _gives_away(self, data: bytes) -> bool:
        """Have a request done that came whole, and whose head is word for word one of before: it is not even parsed.

        A head that came by itself waits for its body.
        """
        gather = getattr(self.app, "gather_again", None)
        end = data.find(HEAD_END) + len(HEAD_END)
        if gather is None or self.client is None or end < len(HEAD_END):
            return False
        if end == len(data):
            return self._holds(data)
        self._given, is_done = data, False
        try:
            is_done = bool(gather(data[:end], data[end:], self.client[0], self))
        except Exception:
            log.exception("not_given_away")  # it goes the whole way, and fails there if it must
        if not is_done:
            self._given = None
        elif self._given is data:
            self._unset_keepalive_if_required()
            self._wait_no_more()
        return is_done

    def _holds(self, head: bytes) -> bool:
        if not self.app.has_read(head):
            return False
        self._held = head
        # Patience for a head goes on: when it ends, this one is read as ever, and its body has a time of its own.
        self._unset_keepalive_if_required()
        return True

    def _let_go(self) -> bool:
        """Read a head as ever that was held; say whether there was one."""
        held, self._held = self._held, b""
        if held:
            self._read(held, piece=held)
        return bool(held)

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write the answer of what was given away, and go on to what came behind it."""
        self._given = None
        if self._is_lost or self.transport.is_closing():
            return
        usual = whole.lines_of(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINES[status], usual, lines, b"\r\n", body)))
        if self._is_leaving:
            self.transport.close()
        self.on_response_complete()
        self._go_on()

    def read_as_ever(self, begun: Handed) -> bool:
        """Read what was given away, and have the application finish what was begun; False: nobody is there any more."""
        given, self._given = self._given, None
        assert given is not None
        if self._is_lost or self.transport.is_closing():
            return False
        self._begun = begun
        self._read(given)
        if self._is_leaving:
            super().shutdown()
        self._go_on()
        return True

    def _go_on(self) -> None:
        behind, self._behind = self._behind, b""
        if behind:
            self.data_received(behind)

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
        self.transport.write(b"".join((STATUS_LINES[status], whole.lines_of((*usual, *head)), b"\r\n", body)))

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
        if self._let_go():
            return
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

    __slots__ = ("_cycle", "_piece", "_wire")

    def __init__(self, wire: Wire, cycle: RequestResponseCycle, piece: bytes) -> None:
        self._wire, self._cycle, self._piece = wire, cycle, piece

    def body(self) -> bytes | None:
        cycle = self._cycle
        return None if cycle.more_body or cycle.disconnected else bytes(cycle.body)

    def said(self) -> bytes | None:
        return self._piece or None

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
