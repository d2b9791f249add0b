"""Traces, where a collector is set; otherwise nothing, at the price of one comparison.

`traceparent` (W3C) is passed on either way: in by HTTP, along with the log and the intents, out to providers.
Spans know routes, groups, kinds and counts: never who is billed, nor what for. docs/operations/tracing.md shows a journey.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

try:  # the extra `otel`
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:  # pragma: no cover  (installed without the extra)
    trace = None  # type: ignore[assignment]

# A batch may be of hundreds of traces; a span tells of so many.
LINKS_MAX = 64

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NOTHING: AbstractContextManager[None] = nullcontext()
_heard: ContextVar[str | None] = ContextVar("traceparent", default=None)


class _Tracing:
    """Whether this process traces, and with what."""

    def __init__(self) -> None:
        self.provider: Any = None
        self.tracer: Any = None


_tracing = _Tracing()


def configure(endpoint: str | None, *, service: str = "guilder", exporter: "SpanExporter | None" = None) -> None:
    """Send spans to a collector over HTTP; None switches tracing off. `exporter` is for tests.

    :raises RuntimeError: an endpoint is set and the extra `otel` is not installed
    """
    shut_down()
    if endpoint is None and exporter is None:
        return
    if trace is None:
        raise RuntimeError("OTEL_EXPORTER_OTLP_ENDPOINT needs the extra: pip install guilder[otel]")
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    target = exporter or OTLPSpanExporter(endpoint=f"{str(endpoint).rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(target))
    _tracing.provider, _tracing.tracer = provider, provider.get_tracer("guilder")


def shut_down() -> None:
    """Send what is left, and stop."""
    if _tracing.provider is not None:
        _tracing.provider.shutdown()
    _tracing.provider = _tracing.tracer = None


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[None]:
    """Time what happens within, as a child of the span around it. Attributes are ids and counts, never data."""
    return _NOTHING if _tracing.tracer is None else _span(name, attributes)


def taken_up(
    name: str, traceparents: Iterable[str | None], **attributes: str | float | bool
) -> AbstractContextManager[None]:
    """Time work that others asked for. Asked for in one trace, it is a part of that; in several, it links to each."""
    known = list(dict.fromkeys(each for each in traceparents if each))
    if _tracing.tracer is not None:
        return _taken_up(name, known, attributes)
    return continued(known[0]) if len(known) == 1 else _NOTHING


@contextmanager
def _taken_up(name: str, known: list[str], attributes: Mapping[str, str | float | bool]) -> Iterator[None]:
    parent = _context_of(known[0]) if len(known) == 1 else Context()
    links = [trace.Link(_span_context_of(each)) for each in known[:LINKS_MAX]] if len(known) > 1 else []
    with _recorded(name, parent, attributes, links):
        yield


def linked(traceparent: str | None) -> None:
    """Say that the present span has to do with another trace."""
    if _tracing.tracer is not None and traceparent:
        trace.get_current_span().add_link(_span_context_of(traceparent))


def noted(**attributes: str | float | bool) -> None:
    """Put what came out on the present span."""
    if _tracing.tracer is not None:
        trace.get_current_span().set_attributes(attributes)


def is_on() -> bool:
    return _tracing.tracer is not None


@contextmanager
def _span(name: str, attributes: Mapping[str, str | float | bool]) -> Iterator[None]:
    heard = _heard.get()
    parent = None
    if heard and not trace.get_current_span().get_span_context().is_valid:
        parent = _context_of(heard)
    with _recorded(name, parent, attributes, []):
        yield


@contextmanager
def _recorded(
    name: str, parent: "Context | None", attributes: Mapping[str, str | float | bool], links: "list[trace.Link]"
) -> Iterator[None]:
    # The text of an exception may hold what must not leave this process: only its type is sent.
    with _tracing.tracer.start_as_current_span(
        name,
        context=parent,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """Go on with a trace begun elsewhere; what is not a traceparent starts a new one."""
    token = _heard.set(read(traceparent) or new())
    try:
        yield
    finally:
        _heard.reset(token)


def current() -> str | None:
    """Return the traceparent to pass on: of the present span, or as it came in."""
    if _tracing.tracer is not None:
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        if "traceparent" in carrier:
            return carrier["traceparent"]
    return _heard.get()


def carried(traceparent: str | None) -> str | None:
    """Return what a transaction passes on: the present span, else what it was given, else what was heard."""
    return (current() if is_on() else None) or traceparent or _heard.get()


def _context_of(traceparent: str) -> "Context":
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context=Context())


def _span_context_of(traceparent: str) -> "trace.SpanContext":
    return trace.get_current_span(_context_of(traceparent)).get_span_context()


def read(traceparent: str | None) -> str | None:
    """Return a header's value if it is a traceparent, else None."""
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None


def new() -> str:
    """Begin a trace that is passed on but not recorded."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
