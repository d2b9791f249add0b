"""A process's way to a real Redis, and how it is taken away."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from guilder.platform.cache.address import parse
from guilder.platform.cache.client import Shared

# On a machine under load an answer may take longer than a request would wait for it.
PATIENT_S = 5.0


@asynccontextmanager
async def a_way_to(url: str, *, timeout_s: float = PATIENT_S) -> AsyncIterator[Shared]:
    shared = Shared(parse(url), monotonic=time.monotonic, timeout_s=timeout_s)
    await shared.start()
    try:
        yield shared
    finally:
        await shared.close()
