"""Clashes: PostgreSQL chose another transaction, so the whole of this one is done again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from guilder.platform.db.database import CLASHES, TRIES_MAX

T = TypeVar("T")


async def again_on_clash(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which opens and ends its transaction itself, until it does not clash; at most `TRIES_MAX` times."""
    for attempt in range(1, TRIES_MAX + 1):
        try:
            return await work()
        except CLASHES:
            if attempt == TRIES_MAX:
                raise
            await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  (jitter, not a secret)
    raise AssertionError("unreachable")
