"""How an account does is counted, and one that answers nobody goes down until it answers again."""

from datetime import timedelta

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import Health, Outcome, OutcomeKind
from guilder.domain.gateways.service.health import record

SILENT = Outcome(kind=OutcomeKind.UNKNOWN, is_outage=True)
PAID = Outcome(kind=OutcomeKind.SUCCEEDED)
REFUSED = Outcome(kind=OutcomeKind.DECLINED, decline_code="insufficient_funds")


async def account_of(till):
    async with till.tx() as tx:
        return await gateways.one(tx, account_id=till.account.id)


async def told(till, *outcomes):
    account = await account_of(till)
    async with till.tx() as tx:
        await record(tx, results=[(account, each) for each in outcomes], now=till.now)


async def health(till):
    async with till.tx() as tx:
        return (await gateways.health(tx, since=till.now - timedelta(hours=3)))[till.account.id]


async def test_what_calls_came_to_is_counted_by_the_hour(till):
    await told(till, PAID, PAID, REFUSED)
    till.clock.move_by(timedelta(hours=2))
    await told(till, PAID, SILENT)
    assert await health(till) == Health(succeeded=3, declined=1, unknown=1, outages=1)
    assert (await health(till)).success_percent == 75
    till.clock.move_by(timedelta(hours=2))
    assert await health(till) == Health(succeeded=1, unknown=1, outages=1)


async def test_nobody_has_a_success_rate_before_anything_was_decided():
    assert Health(unknown=9, outages=9).success_percent is None


async def test_five_silences_take_an_account_down_and_an_answer_brings_it_up(till):
    await told(till, *[SILENT] * 4)
    assert (await account_of(till)).takes_money(now=till.now)
    await told(till, SILENT)
    down = await account_of(till)
    assert not down.takes_money(now=till.now)
    assert down.takes_money(now=till.now + timedelta(minutes=1))
    await told(till, SILENT)
    await told(till, REFUSED)
    assert (await account_of(till)).down_until is None
    heard = await till.heard()
    assert [heard.count(f"gateways.account.{word}") for word in ("down", "up")] == [1, 1]


async def test_calls_that_the_provider_never_answers_are_what_takes_it_down(till):
    await till.a_card()
    till.merchant.sim("faults", {"mode": "status", "op": "prepare", "times": 50})
    for _ in range(5):
        await till.collect()
    await till.settle()
    assert (await account_of(till)).outages >= 5
    assert not (await account_of(till)).takes_money(now=till.now)
