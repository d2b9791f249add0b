"""Answers about access are kept for seconds where a Redis is shared, and follow what happens before they are over."""

import time
from datetime import timedelta

import pytest

from guilder.domain.catalog.routes.plans import router as plans
from guilder.domain.entitlements.routes import KEPT, router
from guilder.domain.identity.model import Role
from guilder.kernel import ids
from guilder.kernel.noun import replace
from guilder.platform import metrics
from guilder.platform.cache.address import parse
from guilder.platform.cache.answers import Answers
from guilder.platform.cache.client import Shared
from tests.http.entitlements.acting import block, eligible
from tests.support.builders.catalog import a_plan
from tests.support.builders.identity import new_tenant
from tests.support.ground import RING, database_with_vault
from tests.support.redis import a_redis
from tests.support.served import served

pytestmark = pytest.mark.needs_redis


@pytest.fixture
async def shared(redis):
    shared = Shared(parse(redis.url), monotonic=time.monotonic, timeout_s=10)
    yield shared
    await shared.close()


@pytest.fixture
async def house(database_urls, clean, shared):
    async with database_with_vault(database_urls) as database, served(database, [router, plans]) as house:
        keep_in(shared, house)
        yield house


def keep_in(shared, house):
    answers = Answers(shared, RING, house.clock)
    house.app.state.edge = replace(house.app.state.edge, answers=answers)
    house.database.on_touched = answers.touched


def hits() -> float:
    return metrics.registry.get_sample_value("guilder_cache_reads_total", {"room": KEPT.room, "outcome": "hit"}) or 0.0


async def is_eligible(ask, name="org_1"):
    answer = await ask("GET", f"/api/entitlements/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["eligible"]


async def test_a_second_question_is_answered_from_what_was_kept_word_for_word(ask, customer):
    first, before = await ask("GET", "/api/entitlements/org_1"), hits()
    second = await ask("GET", "/api/entitlements/org_1")
    assert hits() - before == 1
    assert (second.content, second.headers["content-type"]) == (first.content, first.headers["content-type"])
    assert second.headers["cache-control"] == "no-store"


@pytest.mark.shows("I18")
async def test_it_follows_a_block_at_once_by_every_name(house, ask, customer):
    names = ["org_1", str(customer.id), ids.to_text("cus", customer.id)]
    before = hits()
    assert [await is_eligible(ask, each) for each in names * 2] == [True] * 6
    assert hits() - before == 3
    await block(house.database, customer)
    assert [await is_eligible(ask, each) for each in names] == [False] * 3
    assert not (await ask("GET", "/api/entitlements/org_1/limits/seats")).json()["data"]["allowed"]


async def test_what_is_left_of_a_limit_is_never_kept(ask, customer):
    """Whoever uses a thing asks this before each step, and what was used says nothing of itself to what is kept."""
    before = hits()
    for _ in range(3):
        assert (await ask("GET", "/api/entitlements/org_1/limits/seats")).status_code == 200
    assert hits() == before


@pytest.mark.shows("fault D5")
async def test_where_the_word_of_it_is_lost_it_is_old_for_five_seconds_and_no_longer(house, ask, customer):
    assert await is_eligible(ask)
    house.database.on_touched = None  # whoever blocked died between the commit and saying so
    await block(house.database, customer)
    house.clock.move_by(timedelta(seconds=KEPT.seconds))
    assert await is_eligible(ask)
    house.clock.move_by(timedelta(seconds=1))
    assert not await is_eligible(ask)


@pytest.mark.shows("fault D5")
async def test_without_redis_every_answer_is_the_databases_own(house, ask, customer):
    with a_redis() as server:
        shared = Shared(parse(server.url), monotonic=time.monotonic, timeout_s=10)
        keep_in(shared, house)
        assert await is_eligible(ask)
        server.stop()
        await block(house.database, customer)
        assert not await is_eligible(ask)
        assert shared.trouble is not None
        await shared.close()


@pytest.mark.shows("API1", "ASVS 8.2.2")
async def test_what_is_kept_for_one_is_not_shown_to_another(house, tenant, ask, customer):
    await eligible(house, tenant, "org_2")
    await house.trusts(tenant)
    assert await is_eligible(ask, "org_2")
    other = await new_tenant(house.database, name="Other")
    stranger, narrow = await house.key_of(other), await house.key_of(tenant, Role.MEMBER, ["plans:read"])
    path = "/api/entitlements/org_2"
    assert (await house.user_of("org_1")("GET", path)).status_code == 404
    assert (await house.user_of("org_2")("GET", path)).status_code == 200
    assert (await house.user_of("org_1")("GET", path)).status_code == 404
    assert (await stranger("GET", path)).status_code == 404
    assert (await narrow("GET", path)).status_code == 403
    assert (await house.nobody()("GET", path)).status_code == 401


async def test_a_no_is_not_kept(house, tenant, ask):
    assert (await ask("GET", "/api/entitlements/org_1")).status_code == 404
    await eligible(house, tenant, "org_1")
    assert await is_eligible(ask)


async def test_what_is_on_sale_follows_a_change_and_an_order_never_reads_it_there(house, tenant, ask):
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_plan(tx, code="basic")
    room = {"room": "catalog", "outcome": "hit"}
    before = metrics.registry.get_sample_value("guilder_cache_reads_total", room) or 0
    one, two = await ask("GET", "/api/plans"), await ask("GET", "/api/plans")
    assert [each["code"] for each in two.json()["data"]] == ["basic"]
    assert one.json() == two.json()
    assert metrics.registry.get_sample_value("guilder_cache_reads_total", room) == before + 1
    async with house.database.transaction([tenant.tenant_id], actor="test") as tx:
        await a_plan(tx, code="more")
    assert [each["code"] for each in (await ask("GET", "/api/plans")).json()["data"]] == ["more", "basic"]
    assert (await ask("GET", "/api/plans/more")).status_code == 200
    assert (await ask("DELETE", "/api/plans/more")).status_code == 200
    assert [each["code"] for each in (await ask("GET", "/api/plans")).json()["data"]] == ["basic"]


async def test_whoever_names_a_position_is_answered_by_the_database(house, ask, customer):
    assert await is_eligible(ask)
    house.database.on_touched = None
    await block(house.database, customer)
    answer = await ask("GET", "/api/entitlements/org_1", Guilder_Position="0/0")
    assert not answer.json()["data"]["eligible"]
