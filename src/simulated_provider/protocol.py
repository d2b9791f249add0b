"""Uvicorn's HTTP protocol, and with it a way to hang up: ASGI has none, and a lost answer must be a closed socket."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulated_provider.wire import DROP


class HangUpProtocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: self.transport.close}  # type: ignore[dict-item]
