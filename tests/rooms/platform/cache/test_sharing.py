"""The house shares what REDIS_URL lets it share, starts without it as well, and connects to nothing where there is none."""

import time

import pytest

from guilder.entrypoints.checking import Weight, findings
from guilder.entrypoints.roles import Role
from guilder.entrypoints.sharing import open_sharing
from guilder.platform.clock import WallClock
from guilder.platform.config import BadSettings, Settings
from guilder.platform.http.limits import Want
from guilder.platform.http.settings import Allowance
from tests.support.ground import RING
from tests.support.ports import free_port
from tests.support.redis import until

WANTS = [Want("caller", Allowance(1, burst=2))]


def the_settings(url: str | None) -> Settings:
    return Settings(_env_file=None, redis_url=url)


async def test_without_an_address_there_is_nothing(database, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    async with open_sharing(the_settings(None), keys=RING, clock=WallClock(), database=database) as sharing:
        assert (sharing.limiter, sharing.answers, sharing.key_sets, sharing.troubles) == (None, None, None, {})
        # Who remembers nothing still says what it changes.
        assert (sharing.near, database.on_touched is None) == (None, False)


async def test_who_answers_requests_remembers_unless_told_not_to(database, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    said = {"keys": RING, "clock": WallClock(), "database": database, "role": Role.SERVE}
    async with open_sharing(the_settings(None), **said) as sharing:
        assert sharing.near is not None
    nothing = the_settings(None).model_copy(update={"answers_near_max": 0})
    async with open_sharing(nothing, **said) as sharing:
        assert sharing.near is None


@pytest.mark.needs_redis
async def test_with_one_limits_answers_and_key_sets_are_shared(database, redis):
    async with open_sharing(the_settings(redis.url), keys=RING, clock=WallClock(), database=database) as sharing:
        assert None not in (sharing.limiter, sharing.answers, sharing.key_sets, database.on_touched)
        # On a busy machine it may be found away once or twice.
        await until(lambda: _is_counted_in(redis, sharing.limiter))


async def _is_counted_in(redis, limiter):
    await limiter.take("home", WANTS)
    with redis.admin as admin:
        return any(b":limit:" in key for key in admin.scan_iter())


@pytest.mark.shows("fault D5")
async def test_a_redis_that_is_not_there_keeps_nobody_from_starting(database):
    url, began = f"redis://127.0.0.1:{free_port()}", time.monotonic()
    async with open_sharing(the_settings(url), keys=RING, clock=WallClock(), database=database) as sharing:
        assert time.monotonic() - began < 10
        assert sharing.troubles["redis"]() is not None
        assert sharing.limiter is not None
        assert [(await sharing.limiter.take("home", WANTS)).is_allowed for _ in range(3)] == [True, True, False]


async def test_an_address_that_cannot_be_read_is_said_without_its_password(database):
    with pytest.raises(BadSettings, match="REDIS_URL") as refused:
        async with open_sharing(
            the_settings("redis://:hidden@a,b"), keys=RING, clock=WallClock(), database=database
        ) as _:
            raise AssertionError("unreachable")
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "weight"),
    [
        (None, None),
        ("http://host", Weight.STOPS),
        ("redis://cache.example.com", Weight.UNSAFE),
        ("redis+sentinel://cache.example.com/master", Weight.UNSAFE),
        ("rediss+cluster://cache.example.com", None),
        ("redis://localhost", None),
    ],
)
def test_doctor_says_what_is_unsafe_about_it(url, weight, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    found = [each.weight for each in findings(the_settings(url)) if each.setting == "REDIS_URL"]
    assert found == ([weight] if weight else [])
