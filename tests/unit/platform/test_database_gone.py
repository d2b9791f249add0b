"""A database that cannot be reached is named, and its password is not."""

import pytest

from guilder.platform.db.database import Database, DatabaseGone


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("db-1.invalid:5432,db-2.invalid/guilder", "at db-1.invalid or db-2.invalid"),
        ("/guilder?host=/nowhere/sockets", "at /nowhere/sockets"),
    ],
)
async def test_says_where_it_was_looked_for(address, named):
    with pytest.raises(DatabaseGone, match=f"PostgreSQL cannot be reached {named}: ") as gone:
        await Database.connect(f"postgresql://guilder:word@{address}")
    assert "word" not in str(gone.value)
