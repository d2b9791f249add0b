"""A worker's server process stands back with the worker; nobody else's does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from guilder.platform.db.standing_back import stand_back_with_us
from tests.support.database import DatabaseUrls

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no list of processes here")

CLIENT = """
import asyncio, os, sys
from guilder.platform.db.database import Database
os.nice(int(sys.argv[2]))
async def main():
    database = await Database.connect(sys.argv[1])
    async with database.transaction(actor="test") as tx:
        print(os.getpriority(os.PRIO_PROCESS, tx.connection.get_server_pid()))
    await database.close()
asyncio.run(main())
"""


def niceness_of_the_server(url: str, *, client: int) -> int:
    command = [sys.executable, "-c", CLIENT, url, str(client)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def test_the_server_is_as_nice_as_its_client(database_urls: DatabaseUrls):
    before = niceness_of_the_server(database_urls.app, client=0)
    assert niceness_of_the_server(database_urls.app, client=before + 3) == before + 3


class Connection:
    """Says that this process serves it."""

    def get_server_pid(self) -> int:
        return os.getpid()


@pytest.mark.parametrize("url", ["postgresql://me@db.example.com/guilder", "postgresql://me@127.0.0.1/guilder"])
def test_neither_a_server_elsewhere_nor_another_process_is_told(monkeypatch: pytest.MonkeyPatch, url: str):
    told: list[int] = []
    monkeypatch.setattr(os, "nice", lambda by: 5)
    monkeypatch.setattr(os, "setpriority", lambda which, who, priority: told.append(priority))
    stand_back_with_us(Connection(), url=url)
    assert told == []
