"""An OpenTelemetry collector that keeps what it is sent: OTLP over HTTP, as the exporter really speaks it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Told:
    """One span. Ids are in hexadecimal, as a traceparent has them."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[str]  # the traces that it links to
    attributes: dict[str, str]


@dataclass
class Collector:
    """Spans as they came in, in any order."""

    port: int
    spans: list[Told] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, trace_id: str) -> dict[str, Told]:
        """Return the spans of a trace by their names; of several with one name, any."""
        return {each.name: each for each in self.spans if each.trace_id == trace_id}

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [_told(span) for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector(0)

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces", self.path
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *about: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    collector.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _told(span: Any) -> Told:
    return Told(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=frozenset(link.trace_id.hex() for link in span.links),
        attributes={each.key: str(getattr(each.value, each.value.WhichOneof("value"))) for each in span.attributes},
    )
