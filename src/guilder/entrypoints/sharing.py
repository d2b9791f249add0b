"""What this process shares with others, if REDIS_URL names a place for it: rate limits, kept answers, issuers' key sets."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from guilder.platform.cache.address import BadAddress, parse
from guilder.platform.cache.answers import Answers
from guilder.platform.cache.client import Shared
from guilder.platform.cache.key_sets import KeySets
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

    @property
    def troubles(self) -> Mapping[str, Callable[[], str | None]]:
        """Say what is missed, and not needed."""
        shared = self.shared
        return {"redis": lambda: shared.trouble} if shared is not None else {}


@asynccontextmanager
async def open_sharing(
    settings: Settings, *, keys: KeyRing, clock: Clock, database: Database
) -> AsyncIterator[Sharing]:
    """Connect, if there is anything to connect to. That it is away keeps nobody from starting.

    :raises BadSettings: REDIS_URL cannot be read
    """
    if settings.redis_url is None:
        yield Sharing()
        return
    try:
        address = parse(settings.redis_url.get_secret_value())
    except BadAddress as error:
        raise BadSettings(f"REDIS_URL: {error}.") from None
    shared = Shared(address, monotonic=clock.monotonic)
    await shared.start()
    answers = Answers(shared, keys, clock)
    database.on_touched = answers.touched
    try:
        yield Sharing(InRedis(shared, InProcess(clock.monotonic)), answers, KeySets(shared, keys, clock), shared)
    finally:
        await shared.close()
