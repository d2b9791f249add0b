"""The page of metrics counts what happened, in a number of series that does not grow with use."""

from prometheus_client.parser import text_string_to_metric_families

from guilder.platform import metrics
from guilder.platform.http.shedding import Ceilings, Load


def series(name):
    """Read what the page says under a name, and nothing of the thousands of lines that other tests made."""
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return [each for family in text_string_to_metric_families("\n".join(lines) + "\n") for each in family.samples]


def value(name, **labels):
    return next((each.value for each in series(name) if labels.items() <= each.labels.items()), 0)


def test_a_request_is_counted_under_its_template():
    labels = {"method": "GET", "route": "/api/plans/{id}", "status": "200"}
    before = value("guilder_http_request_seconds_count", **labels)
    metrics.request_answered(method="GET", route="/api/plans/{id}", status=200, seconds=0.01)
    assert value("guilder_http_request_seconds_count", **labels) == before + 1


def test_methods_and_routes_from_outside_make_no_series():
    def methods():
        return {each.labels["method"] for each in series("guilder_http_request_seconds_count")}

    before = methods()
    for n in range(1_000):
        metrics.request_answered(method=f"M{n}", route=None, status=404, seconds=0)
        metrics.outside_called(destination=f"host-{n}", outcome=f"o{n}", seconds=0)
        metrics.credentials_refused(reason=f"r{n}")
    assert methods() == before | {"other"}
    destinations = {each.labels["destination"] for each in series("guilder_outside_call_seconds_count")}
    assert len(destinations) <= metrics.NAMES_MAX + 1, "as many names as are known, and one for all others"
    assert len(series("guilder_auth_refused_total")) <= 51


def test_what_is_under_way_is_looked_at_when_somebody_asks():
    load = Load(Ceilings(), lambda: 7)
    load.show()
    with load.lane("/api/customers"):
        assert value("guilder_http_in_flight", lane="api") == 1
    assert value("guilder_http_in_flight", lane="api") == 0
    assert value("guilder_db_pool_waiting") == 7


def test_everything_that_is_announced_is_on_the_page():
    metrics.query_ran(kind="select", seconds=0.001)
    metrics.transaction_ended(outcome="committed", seconds=0.01)
    metrics.pool_stands(in_use=3, size=5)
    metrics.log_lags(group="invoicing", rows=7)
    for outcome in metrics.LOG_OUTCOMES:
        metrics.log_messages(group="invoicing", outcome=outcome, count=2)
    metrics.breaker_is(destination="stripe", state="open")
    metrics.job_ran(job="roll_due", outcome="done", seconds=1, late_s=4)

    assert value("guilder_db_pool_in_use") == 3
    assert value("guilder_log_lag", group="invoicing") == 7
    assert {each.labels["outcome"] for each in series("guilder_log_messages_total")} == metrics.LOG_OUTCOMES
    assert 2 in {each.value for each in series("guilder_outside_breaker_state")}
    assert value("guilder_job_late_seconds", job="roll_due") == 4
    assert value("guilder_db_query_seconds_count", kind="select") >= 1
    assert value("guilder_db_transaction_seconds_count", outcome="committed") >= 1
