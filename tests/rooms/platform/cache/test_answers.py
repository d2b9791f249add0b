"""Answers are kept under the stamp that was seen before they were read, for seconds, and nobody else can make one."""

from datetime import timedelta
from uuid import uuid4

import pytest

from guilder.kernel.ids import TenantId
from guilder.platform.cache.answers import KEPT_MAX_S, Answers, Question
from guilder.platform.clock import HandClock
from guilder.platform.crypto import KeyRing, new_key
from tests.rooms.platform.cache.ground import a_way_to
from tests.support.ground import RING
from tests.support.identity_provider import NOW
from tests.support.redis import a_redis

pytestmark = pytest.mark.needs_redis
TENANT = TenantId(uuid4())
ORG = Question(TENANT, "entitlements", "entitlements:org_1", "GET /org_1", 5)


@pytest.fixture
def clock():
    return HandClock(NOW)


@pytest.fixture
async def answers(redis, clock):
    async with a_way_to(redis.url) as shared:
        yield Answers(shared, RING, clock)


@pytest.fixture
async def other(redis, clock):
    """Return what another process has."""
    async with a_way_to(redis.url) as shared:
        yield Answers(shared, RING, clock)


async def test_what_one_process_keeps_another_finds(answers, other):
    await answers.keep(ORG, await answers.find(ORG), b"yes")
    assert (await other.find(ORG)).answer == b"yes"


async def test_a_change_makes_it_old_at_once_in_every_process(answers, other):
    await answers.keep(ORG, await answers.find(ORG), b"yes")
    await other.touched({(TENANT, "entitlements:org_1")})
    assert (await answers.find(ORG)).answer is None


async def test_what_was_read_before_a_change_is_not_kept_after_it(answers, other):
    """The race of every cache: a reader reads, a writer commits and says so, the reader keeps what it read."""
    for _ in range(2):  # with no stamp there yet, and with one
        found = await answers.find(ORG)
        await other.touched({(TENANT, "entitlements:org_1")})
        await answers.keep(ORG, found, b"yes, as it was")
        assert (await other.find(ORG)).answer is None


@pytest.mark.parametrize(
    "another",
    [
        Question(TenantId(uuid4()), ORG.room, ORG.subject, ORG.exactly, 5),
        Question(TENANT, "catalog", ORG.subject, ORG.exactly, 5),
        Question(TENANT, ORG.room, "entitlements:org_2", ORG.exactly, 5),
        Question(TENANT, ORG.room, ORG.subject, "GET /org_1?x", 5),
    ],
)
async def test_an_answer_answers_its_own_question_alone(answers, another):
    await answers.keep(ORG, await answers.find(ORG), b"yes")
    assert (await answers.find(another)).answer is None
    await answers.touched({(another.tenant_id, "entitlements:org_2")})
    assert (await answers.find(ORG)).answer == b"yes"


async def test_it_is_as_old_as_it_may_be_and_no_older_whatever_redis_thinks(answers, redis, clock):
    await answers.keep(ORG, await answers.find(ORG), b"yes")
    with redis.admin as admin:
        [name] = [key for key in admin.scan_iter() if b":entitlements:" in key]
        assert 0 < admin.pttl(name) <= 5_000
        admin.persist(name)
    clock.move_by(timedelta(seconds=5))
    assert (await answers.find(ORG)).answer == b"yes"
    clock.move_by(timedelta(seconds=1))
    assert (await answers.find(ORG)).answer is None


async def test_what_took_long_to_read_is_not_kept(answers, clock):
    found = await answers.find(ORG)
    clock.move_by(timedelta(seconds=2))
    await answers.keep(ORG, found, b"yes")
    assert (await answers.find(ORG)).answer is None


async def test_nothing_may_be_kept_for_longer_than_a_stamp_lives(answers):
    long = Question(TENANT, "catalog", "catalog", "GET", KEPT_MAX_S + 1)
    with pytest.raises(AssertionError):
        await answers.keep(long, await answers.find(long), b"yes")


@pytest.mark.shows("ASVS 13.2.2", "I29")
async def test_who_writes_to_redis_can_neither_read_an_answer_nor_make_one(answers, redis, clock):
    await answers.keep(ORG, await answers.find(ORG), b'{"eligible": false, "organization_id": "org_1"}')
    no = Question(TENANT, ORG.room, "entitlements:org_2", ORG.exactly, 5)
    await answers.keep(no, await answers.find(no), b'{"eligible": true}')
    with redis.admin as admin:
        names = sorted(key for key in admin.scan_iter() if b":entitlements:" in key)
        kept = [admin.get(name) for name in names]
        assert not [each for each in kept if b"eligible" in each or b"org_1" in each]
        assert not [name for name in admin.scan_iter() if b"org_1" in name]
        for forged in (kept[1], kept[0][:-1], b'{"eligible": true}', b"", kept[0] + b"!"):
            admin.set(names[0], forged)
        # Each in the other's place.
        admin.set(names[0], kept[1])
        admin.set(names[1], kept[0])
    assert [(await answers.find(each)).answer for each in (ORG, no)] == [None, None]


async def test_an_answer_of_another_installation_is_none(answers, redis, clock):
    await answers.keep(ORG, await answers.find(ORG), b"yes")
    async with a_way_to(redis.url) as shared:
        assert (await Answers(shared, KeyRing([new_key("theirs")]), clock).find(ORG)).answer is None


@pytest.mark.shows("fault D5")
async def test_without_redis_there_is_no_answer_and_no_error(clock):
    with a_redis() as server:
        async with a_way_to(server.url) as shared:
            answers = Answers(shared, RING, clock)
            await answers.keep(ORG, await answers.find(ORG), b"yes")
            server.stop()
            await answers.touched({(TENANT, "entitlements:org_1")})
            found = await answers.find(ORG)
            assert (found.answer, found.stamp) == (None, None)
            await answers.keep(ORG, found, b"yes")


@pytest.mark.shows("fault D5")
async def test_a_flush_forgets_answers_and_stamps_together(answers, redis):
    await answers.touched({(TENANT, "entitlements:org_1")})
    await answers.keep(ORG, await answers.find(ORG), b"yes")
    with redis.admin as admin:
        admin.flushall()
    assert (await answers.find(ORG)).answer is None
