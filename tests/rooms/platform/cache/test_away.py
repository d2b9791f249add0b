"""That Redis is away keeps nobody from starting, in whichever form it is, and nobody stops looking for it."""

import asyncio
import time

import pytest

from guilder.platform.cache import client
from guilder.platform.cache.address import parse
from guilder.platform.cache.client import Away, Shared
from tests.support.ports import free_port


@pytest.mark.parametrize("form", ["redis://{}", "redis+sentinel://{}/main", "redis+cluster://{}"])
async def test_nobody_is_kept_from_starting_where_there_is_none(form, monkeypatch):
    monkeypatch.setattr(client, "PROBE_FIRST_S", 0.01)
    monkeypatch.setattr(client, "PROBE_MAX_S", 0.02)
    shared, probes = Shared(parse(form.format(f"127.0.0.1:{free_port()}")), monotonic=time.monotonic), 0
    probe = shared._probe

    async def counted(asked: object) -> None:
        nonlocal probes
        probes += 1
        await probe(asked)

    monkeypatch.setattr(shared, "_probe", counted)
    await shared.start()
    try:
        assert shared.trouble is not None
        with pytest.raises(Away):
            await shared.ask(lambda asked: asked.get("x"))
        async with asyncio.timeout(30):
            while probes < 4:  # it is looked for again and again
                await asyncio.sleep(0.01)
    finally:
        await shared.close()
