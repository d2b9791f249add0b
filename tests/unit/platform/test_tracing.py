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


OTHER = "00-11111111111111111111111111111111-2222222222222222-01"


def test_work_of_one_trace_is_a_part_of_it(spans):
    with tracing.taken_up("hear payments", [PARENT, None, PARENT], messages=3):
        carried = tracing.carried(OTHER)
    (heard,) = spans()
    assert f"{heard.context.trace_id:032x}" == PARENT[3:35]
    assert not heard.links
    assert carried == f"00-{PARENT[3:35]}-{heard.context.span_id:016x}-01", "the span's, whatever came in"


def test_work_of_several_traces_links_to_each_and_belongs_to_none(spans):
    with tracing.span("around"), tracing.taken_up("hear payments", [PARENT, OTHER]):
        pass
    heard, around = spans()
    assert {f"{link.context.trace_id:032x}" for link in heard.links} == {PARENT[3:35], OTHER[3:35]}
    assert heard.parent is None
    assert heard.context.trace_id != around.context.trace_id


def test_a_span_links_to_no_more_than_its_share(spans):
    many = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 500)]
    with tracing.taken_up("hear payments", many):
        pass
    assert len(spans()[0].links) == tracing.LINKS_MAX


def test_what_comes_out_is_noted_and_linked_on_the_present_span(spans):
    with tracing.span("webhook"):
        tracing.noted(status=200)
        tracing.linked(OTHER)
        tracing.linked(None)
    (webhook,) = spans()
    assert webhook.attributes["status"] == 200
    assert [f"{link.context.trace_id:032x}" for link in webhook.links] == [OTHER[3:35]]


def test_switched_off_work_of_nobodys_trace_is_the_same_nothing():
    tracing.configure(None)
    assert tracing.taken_up("a", [None]) is tracing.taken_up("b", [PARENT, OTHER]) is tracing.span("c")
    with tracing.taken_up("a", [PARENT, None]):
        assert tracing.carried(None) == PARENT
    assert tracing.carried(OTHER) == OTHER
    tracing.noted(status=200)
    tracing.linked(OTHER)
