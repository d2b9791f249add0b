import asyncio
import itertools
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guilder.domain.catalog.model import Aggregation
from guilder.domain.usage import service as usage
from guilder.domain.usage.model import Amendment, EventStatus, Reading
from guilder.domain.usage.rules.aggregation import readings
from guilder.domain.usage.rules.exact import rounded, total
from guilder.domain.usage.store import events as event_rows
from guilder.kernel import ids
from guilder.kernel.page import PageQuery
from tests.support.builders.customers import a_customer
from tests.support.builders.identity import NOW, new_tenant
from tests.support.builders.usage import (
    Metered,
    a_meter,
    a_question,
    an_event,
    metered,
    quantities,
    used,
)
from tests.support.database import connected
from tests.support.processes import until

ONE, OTHER = ids.new(NOW), ids.new(NOW)
DAY = timedelta(days=1)
numbers = st.one_of(
    st.decimals(-1000, 1000, places=3),
    st.sampled_from([Decimal(10) ** 17, Decimal("-0.000000000001"), Decimal(0), Decimal("2.50")]),
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "zone": st.sampled_from(["eu", "us", ""]),
        "tier": st.sampled_from(["a", "b"]),
        "price": st.sampled_from(["1.5", "-2", "free", "0.000000000001", "1e3"]),
    },
)
readings_sent = st.lists(
    st.tuples(
        st.integers(0, 8),  # days ago: few, so that many fall on one instant
        numbers,
        contents,
        st.sampled_from([None, None, ONE, OTHER]),
        st.sampled_from(["ada", "bob", "cleo"]),
        st.booleans(),  # canceled
    ),
    min_size=1,
    max_size=12,
)
questions = st.fixed_dictionaries(
    {
        "ago": st.integers(0, 5),
        "days": st.integers(1, 6),
        "subscription_id": st.sampled_from([None, ONE, OTHER]),
        "filters": st.sampled_from(
            [(), (("zone", ("eu", "")),), (("zone", ("us",)), ("tier", ("a", ""))), (("tier", ()),)]
        ),
        "group_by": st.sampled_from([(), ("zone",), ("tier", "zone"), ("nothing",)]),
        "amount_property": st.sampled_from(["", "price", "zone"]),
    }
)


@pytest.fixture
async def ground(database):
    tenant_id = (await new_tenant(database)).tenant_id
    async with database.transaction([tenant_id], actor="test") as tx:
        customer = await a_customer(tx)
        meters = [await a_meter(tx, each) for each in Aggregation]
        return [Metered(tenant_id, customer, meter) for meter in meters]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said=readings_sent, asked=st.lists(questions, min_size=1, max_size=4))
async def test_the_database_answers_as_the_rule_does_and_as_counting_by_hand_does(database, ground, said, asked):
    async with database.transaction([ground[0].tenant_id], actor="test", keep=False) as tx:
        for each in ground:
            await record_all(tx, each, said)
        page = await event_rows.listing(tx, PageQuery(limit=199), event_rows.Search())
        arrived = list(reversed(page))
        assert len(arrived) == len(said) * len(ground)
        all_questions = [question_of(each, one) for one in asked for each in ground]
        answers = await usage.totals(tx, questions=all_questions)
    for question, answer in zip(all_questions, answers, strict=True):
        assert answer == readings(question, arrived)
        assert answer == by_hand(question, arrived)


async def record_all(tx, ground, said):
    batch = [
        ground.event(
            at=NOW - ago * DAY, value=value, properties={**properties, "user": user}, subscription_id=subscription_id
        )
        for ago, value, properties, subscription_id, user, _ in said
    ]
    await usage.record(tx, events=batch, now=NOW)
    for event, (*_, is_canceled) in zip(batch, said, strict=True):
        if is_canceled:
            await usage.cancel(tx, event_id=event.event_id, now=NOW)


def question_of(ground, asked):
    ends_at = NOW - asked["ago"] * DAY
    given = {name: asked[name] for name in ("subscription_id", "filters", "group_by", "amount_property")}
    return ground.question(starts_at=ends_at - asked["days"] * DAY, ends_at=ends_at, **given)


def by_hand(question, arrived):
    """Answer a question naively: in loops, in words, without the rule's parts."""
    counted = []
    for event in arrived:
        if event.meter_id != question.meter.id or event.status is EventStatus.CANCELED:
            continue
        if question.subscription_id and event.subscription_id not in (None, question.subscription_id):
            continue
        if any(event.properties.get(name, "") not in values for name, values in question.filters):
            continue
        if event.at < question.ends_at:
            counted.append(event)
    groups = {tuple(event.properties.get(name, "") for name in question.group_by) for event in counted}
    found = []
    for group in sorted(groups if question.group_by else {()}):
        past = [e for e in counted if tuple(e.properties.get(name, "") for name in question.group_by) == group]
        now = [e for e in past if e.at >= question.starts_at]
        quantity = quantity_by_hand(question, past, now)
        if now or not question.group_by or quantity:
            amounts = [amount_by_hand(question.amount_property, each) for each in now]
            if question.meter.property and not question.amount_property:
                amounts = []  # names of users are no amounts
            group_names = tuple(zip(question.group_by, group, strict=True))
            found.append(Reading(group=group_names, quantity=quantity, events=len(now), value=total(amounts)))
    return found


def amount_by_hand(name, event):
    if not name:
        return event.value
    known = {"1.5": "1.5", "-2": "-2", "0.000000000001": "0.000000000001"}
    return Decimal(known.get(event.properties.get(name, ""), "0"))


def quantity_by_hand(question, past, now):
    match question.meter.aggregation:
        case Aggregation.COUNT:
            return Decimal(len(now))
        case Aggregation.SUM:
            return total([event.value for event in now])
        case Aggregation.MAX:
            return max(event.value for event in now) if now else Decimal(0)
        case Aggregation.UNIQUE_COUNT:
            return Decimal(len({event.properties["user"] for event in now}))
        case Aggregation.LATEST:
            last = None
            for event in now:
                if last is None or event.at >= last.at:
                    last = event
            return last.value if last else Decimal(0)
        case Aggregation.WEIGHTED_SUM:
            # Day by day: all that happens here happens at noon.
            level, area, day = Fraction(0), Fraction(0), question.starts_at
            while day < question.ends_at:
                level = sum((Fraction(event.value) for event in past if event.at <= day), Fraction(0))
                area, day = area + level, day + DAY
            return rounded(area / (question.ends_at - question.starts_at).days)


async def test_an_event_that_reads_a_property_counts_for_its_number(database):
    for aggregation in (Aggregation.SUM, Aggregation.MAX, Aggregation.LATEST):
        ground = await metered(database, aggregation, property="gb")
        await used(database, ground.event(properties={"gb": "1.50"}))
        async with database.transaction([ground.tenant_id], actor="test") as tx:
            [[reading]] = await usage.totals(tx, questions=[ground.question()])
        assert (reading.quantity, reading.value) == (Decimal("1.5"), Decimal("1.5"))


async def test_sums_are_exact_to_the_last_digit(database):
    ground = await metered(database)
    big, tiny = Decimal("999999999999999999.999999999999"), Decimal("0.000000000001")
    await used(database, *(ground.event(value=each) for each in [big] * 30 + [tiny]))
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, [ground.question()]) == [Decimal("29999999999999999999.999999999971")]


@pytest.mark.parametrize("size", [1, 300])
async def test_any_number_of_questions_takes_four_statements(database, ground, size):
    asked = []
    async with database.transaction([ground[0].tenant_id], actor="test") as tx:
        all_questions = [each.question(group_by=("zone",)) for each in ground] * size
        await usage.totals(tx, questions=all_questions)  # the driver asks for the types of a statement once
        tx.connection.add_query_logger(asked.append)
        await usage.totals(tx, questions=all_questions)
        tx.connection.remove_query_logger(asked.append)
    assert len(asked) == 4


async def test_what_one_question_asks_for_changes_no_others_answer(database):
    meters = [await metered(database, aggregation) for aggregation in (Aggregation.SUM, Aggregation.WEIGHTED_SUM)]
    for each in meters:
        sent = [
            each.event(value=Decimal(n), properties={"zone": "eu" if n % 2 else "us", "fee": "1.5"})
            for n in range(1, 6)
        ]
        await used(database, *sent)
        plain = each.question()
        special = [
            each.question(group_by=("zone",)),
            each.question(filters=(("zone", ("eu",)),)),
            each.question(amount_property="fee"),
            each.question(subscription_id=uuid4()),
        ]
        async with database.transaction([each.tenant_id], actor="test") as tx:
            alone = [(await usage.totals(tx, questions=[asked]))[0] for asked in (plain, *special)]
            assert await usage.totals(tx, questions=[plain, *special]) == alone
        assert len({len(answer) for answer in alone}) == 2
        assert alone[3][0].value == Decimal("7.5")


async def test_a_total_reads_the_index_and_no_more_than_its_part(database, database_urls):
    ground = await metered(database)
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        others = [await a_customer(tx) for _ in range(4)]
        batch = [
            ground.event(customer_id=each.id, at=NOW - timedelta(minutes=n)) for each in others for n in range(1000)
        ]
        await usage.record(tx, events=batch, now=NOW)
        await usage.record(tx, events=[ground.event()], now=NOW)
    await vacuum(database_urls)
    asked = []
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        tx.connection.add_query_logger(asked.append)
        await usage.totals(tx, questions=[ground.question()])
        tx.connection.remove_query_logger(asked.append)
        await asyncio.sleep(0)  # a statement is logged a moment after it ran
        rows = await tx.fetch(f"explain analyze {asked[-1].query}", *asked[-1].args)
    plan = "\n".join(row[0] for row in rows)
    assert "Index Only Scan using events_by_use_with_value" in plan
    assert "Heap Fetches: 0" in plan  # no reading's own page
    assert "Rows Removed by Filter" not in plan


async def vacuum(urls):
    async with connected(urls.owner) as owner:
        # A page is not taken for seen by all while its commits are on their way to the disk: this one waits for all before.
        await owner.execute("set synchronous_commit = on")
        await owner.execute("create temporary table written ()")
        # Nor while somebody, who may be the server itself, has an older look at the database or holds the page.
        await until(lambda: vacuumed(owner), what="every page of usage.events to be seen by all")


async def vacuumed(owner):
    await owner.execute("vacuum analyze usage.events")
    return await owner.fetchval("select relallvisible >= relpages from pg_class where oid = 'usage.events'::regclass")


async def test_what_lies_on_an_edge_is_in_one_period_whatever_the_index_knows_of_it(database, database_urls):
    ground = await metered(database)
    edges = [NOW - n * DAY for n in (3, 2, 1, 0)]
    instant = timedelta(microseconds=1)
    instants = [edge + shift for edge in edges for shift in (-instant, timedelta(0), instant)]
    sent = [
        ground.event(at=at, value=Decimal(10) ** n, subscription_id=of)
        for n, at in enumerate(instants)
        for of in (None, ONE, OTHER)
    ]
    await used(database, *sent)
    periods = list(itertools.pairwise(edges))
    asked = [
        ground.question(starts_at=starts_at, ends_at=ends_at, subscription_id=of)
        for starts_at, ends_at in periods
        for of in (None, ONE)
    ]
    # Ten to the power of its place is what an instant counts for: the first and the last two lie in no period. At each
    # are three events, and two that count for ONE.
    wanted = [of * each for each in (1110, 1110_000, 1110_000_000) for of in (3, 2)]
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, asked) == wanted
    await vacuum(database_urls)  # from here on the index is believed
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, asked) == wanted
        await usage.amend(tx, event_id=sent[3].event_id, amendment=Amendment(at=edges[1]), now=NOW)  # out of the first
        await usage.amend(tx, event_id=sent[6].event_id, amendment=Amendment(value=Decimal(7)), now=NOW)
        await usage.cancel(tx, event_id=sent[9].event_id, now=NOW)
        lost = 10 + 100 - 7 + 1000
        changed = [wanted[0] - lost, wanted[1] - lost, wanted[2] + 10, wanted[3] + 10, *wanted[4:]]
        assert await quantities(tx, asked) == changed
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        assert await quantities(tx, asked) == changed


async def test_the_present_month_is_the_customers_own(database):
    ground = await metered(database, time_zone="Pacific/Auckland")  # NOW is 2 March, 01:00 there
    await used(
        database,
        ground.event(at=NOW - timedelta(hours=25), value=Decimal(4)),  # still 1 March there
        ground.event(at=NOW - timedelta(hours=25, seconds=1) - timedelta(hours=1), value=Decimal(8)),  # February
        ground.event(at=NOW, value=Decimal(1)),
    )
    async with database.transaction([ground.tenant_id], actor="test") as tx:
        second = await a_meter(tx, Aggregation.COUNT)
        await a_meter(tx, Aggregation.COUNT)
        old = an_event(customer_id=ground.customer.id, meter=second, at=NOW - 60 * DAY)
        await usage.record(tx, events=[old], now=NOW)
        found = await usage.current(tx, customer=ground.customer, now=NOW)
        nobody = await usage.current(tx, customer=await a_customer(tx), now=NOW)
    assert {each.meter.code: (each.quantity, each.events) for each in found} == {
        ground.meter.code: (5, 2),
        second.code: (0, 0),
    }
    assert nobody == []


async def test_nothing_of_another_tenant_or_customer_is_added(database):
    mine, theirs = await metered(database), await metered(database)
    await used(database, mine.event(value=Decimal(3)))
    await used(database, theirs.event(value=Decimal(5)))
    async with database.transaction([mine.tenant_id, theirs.tenant_id], actor="test") as tx:
        crossed = a_question(customer_id=mine.customer.id, meter=theirs.meter)
        assert await quantities(tx, [mine.question(), theirs.question(), crossed]) == [3, 5, 0]
    async with database.transaction([mine.tenant_id], actor="test") as tx:
        assert await quantities(tx, [mine.question(), theirs.question()]) == [3, 0]
