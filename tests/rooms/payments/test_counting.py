"""Payments are counted for the page of metrics: by gateway, by what became of them, by the provider's code; once each."""

from tests.unit.platform.test_metrics import series, value


def counted(**labels: str) -> float:
    return value("guilder_payments_total", gateway="simulated", **labels)


def announced(name: str) -> float:
    return next((each.value for each in series("guilder_events_total") if each.labels["name"] == name), 0)


async def test_an_attempt_is_counted_by_how_it_ended_and_a_decline_by_its_code(till):
    declined = {"outcome": "declined", "code": "insufficient_funds"}
    before = counted(**declined), announced("payments.payment.failed")
    await till.a_card("pm_card_insufficient_funds")
    await till.collect()
    await till.settle()
    assert (counted(**declined), announced("payments.payment.failed")) == (before[0] + 1, before[1] + 1)


async def test_what_is_paid_is_counted_once_however_often_it_is_told(till):
    paid = {"outcome": "succeeded", "code": "none"}
    before = counted(**paid), announced("payments.payment.succeeded")
    await till.a_card()
    await till.collect()
    await till.settle()
    await till.settle()
    assert (counted(**paid), announced("payments.payment.succeeded")) == (before[0] + 1, before[1] + 1)
