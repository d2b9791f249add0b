"""Payments are counted for the page of metrics: by gateway, by what became of them, by the provider's code; once each."""

from guilder.platform import metrics
from tests.unit.platform.test_metrics import series


def counted(*, outcome: str, code: str) -> float:
    """Count the attempts of this gateway and code, also where the page has no name left for them: it takes but so many."""
    return sum(
        each.value
        for each in series("guilder_payments_total")
        if each.labels["outcome"] == outcome
        and each.labels["gateway"] in {"simulated", metrics.OTHER}
        and each.labels["code"] in {code, metrics.OTHER}
    )


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
