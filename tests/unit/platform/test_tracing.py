"""Traces cost nothing until a collector is set, and a traceparent is passed on either way."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guilder.platform import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    tracing.configure(None, exporter=exporter)

    def finished():
        tracing._tracing.provider.force_flush()
        return exporter.get_finished_spans()

    yield finished
    tracing.shut_down()


def test_switched_off_a_span_is_one_and_the_same_nothing():
    tracing.configure(None)
    assert tracing.span("a") is tracing.span("b", count=1)


def test_what_came_in_is_passed_on_while_switched_off():
    with tracing.continued(PARENT):
        assert tracing.current() == PARENT
    assert tracing.current() is None


@pytest.mark.parametrize("heard", [None, "", "x", PARENT + "\r\nX: y", PARENT.upper(), f"00-{'0' * 32}-{'1' * 16}-01"])
def test_what_is_no_traceparent_begins_a_new_trace(heard):
    with tracing.continued(heard):
        assert tracing.read(tracing.current()) not in {None, heard}


def test_a_span_goes_on_with_the_trace_it_came_with(spans):
    with tracing.continued(PARENT), tracing.span("outer", count=1), tracing.span("inner"):
        passed_on = tracing.current()
    inner, outer = spans()
    assert f"{outer.context.trace_id:032x}" == PARENT[3:35]
    assert f"{outer.parent.span_id:016x}" == PARENT[36:52]
    assert inner.parent.span_id == outer.context.span_id
    assert passed_on == f"00-{PARENT[3:35]}-{inner.context.span_id:016x}-01"


def test_a_failure_is_marked_without_its_text(spans):
    with pytest.raises(ValueError), tracing.span("work"):
        raise ValueError("canary")
    assert spans()[0].status.description == "ValueError"
    assert "canary" not in spans()[0].to_json()
