"""What this process shares with others: rate limits, kept answers and issuers' key sets, if REDIS_URL names a place for them;
and the word of what has changed, by which each forgets what it remembers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from guilder.entrypoints.roles import READING, Role
from guilder.platform.cache.address import BadAddress, parse
from guilder.platform.cache.answers import Answers
from guilder.platform.cache.client import Shared
from guilder.platform.cache.key_sets import KeySets
from guilder.platform.cache.near import Near, Teller
from guilder.platform.clock import Clock
from guilder.platform.config import BadSettings, Settings
from guilder.platform.crypto import KeyRing
from guilder.platform.db.database import Database
from guilder.platform.http.limits import InProcess, InRedis, RateLimiter


@dataclass(frozen=True, slots=True)
class Sharing:
    """Without a Redis, what each process has for itself."""

    limiter: RateLimiter | None = None
    answers: Answers | None = None
    key_sets: KeySets | None = None
    shared: Shared | None = None
    near: Near | None = None

    @property
    def troubles(self) -> Mapping[str, Callable[[], str | None]]:
        """Say what is missed, and not needed."""
        shared = self.shared
        return {"redis": lambda: shared.trouble} if shared is not None else {}


@asynccontextmanager
async def open_sharing(
    settings: Settings, *, keys: KeyRing, clock: Clock, database: Database, role: Role = Role.COMMAND
) -> AsyncIterator[Sharing]:
    """Connect, if there is anything to connect to. That it is away keeps nobody from starting.

    :raises BadSettings: REDIS_URL cannot be read
    """
    shared = await _shared(settings, clock)
    answers = Answers(shared, keys, clock) if shared is not None else None
    async with _near(settings, role, database) as near:
        # Every process says what has changed, also one that remembers nothing itself.
        database.on_touched = Teller(database.pool, near, also=answers.touched if answers else None).touched
        try:
            if shared is None:
                yield Sharing(near=near)
            else:
                limiter = InRedis(shared, InProcess(clock.monotonic))
                yield Sharing(limiter, answers, KeySets(shared, keys, clock), shared, near)
        finally:
            if shared is not None:
                await shared.close()


async def _shared(settings: Settings, clock: Clock) -> Shared | None:
    if settings.redis_url is None:
        return None
    try:
        address = parse(settings.redis_url.get_secret_value())
    except BadAddress as error:
        raise BadSettings(f"REDIS_URL: {error}.") from None
    shared = Shared(address, monotonic=clock.monotonic)
    await shared.start()
    return shared


@asynccontextmanager
async def _near(settings: Settings, role: Role, database: Database) -> AsyncIterator[Near | None]:
    """Listen for as long as the house is open, where somebody here answers requests."""
    if role not in READING or not settings.answers_near_max:
        yield None
        return
    near, stop = Near(database.listen), asyncio.Event()
    listening = asyncio.create_task(near.run(stop), name="near")
    try:
        yield near
    finally:
        stop.set()
        await listening
