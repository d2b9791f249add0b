"""Queries and transactions are counted where they run."""

import pytest

from guilder.platform import metrics


def counted(name, **labels):
    lines = metrics.render().decode().splitlines()
    wanted = [line for line in lines if line.startswith(name) and all(f'{k}="{v}"' in line for k, v in labels.items())]
    return sum(float(line.rsplit(" ", 1)[1]) for line in wanted)


async def test_each_statement_is_counted_by_kind(database):
    before = counted("guilder_db_query_seconds_count", kind="select")
    async with database.transaction(actor="test") as tx:
        await tx.fetchval("select 1")
        await tx.fetchval("select 2")
    # What opens a transaction goes along with its BEGIN.
    assert counted("guilder_db_query_seconds_count", kind="select") - before == 2


async def test_each_transaction_is_counted_by_how_it_ended(database):
    committed = counted("guilder_db_transaction_seconds_count", outcome="committed")
    undone = counted("guilder_db_transaction_seconds_count", outcome="rolled_back")
    async with database.transaction(actor="test"):
        pass
    with pytest.raises(RuntimeError):
        async with database.transaction(actor="test"):
            raise RuntimeError
    assert counted("guilder_db_transaction_seconds_count", outcome="committed") == committed + 1
    assert counted("guilder_db_transaction_seconds_count", outcome="rolled_back") == undone + 1


async def test_what_is_rolled_back_or_rehearsed_is_not_counted(database):
    counted_so_far: list[str] = []

    async def fails(tx):
        tx.once_committed(lambda: counted_so_far.append("rolled back"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.run(fails, actor="test")
    async with database.transaction(actor="test", keep=False) as tx:
        tx.once_committed(lambda: counted_so_far.append("not kept"))
    async with database.transaction(actor="test") as tx:
        tx.once_committed(lambda: counted_so_far.append("kept"))
        async with tx.rehearsal():
            tx.once_committed(lambda: counted_so_far.append("rehearsed"))
        assert counted_so_far == [], "not before the commit"
    assert counted_so_far == ["kept"]
