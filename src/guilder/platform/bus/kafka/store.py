"""The SQL of the relay and of what is heard: leases of partitions, the relay's way back, the groups' topics."""

from collections.abc import Sequence
from uuid import UUID

from guilder.platform.db.tx import Tx


async def hold(tx: Tx, partition: int, holder: UUID, *, for_s: float) -> bool:
    """Take the lease of a partition, or hold it on; say whether it is ours."""
    return bool(
        await tx.fetchval(
            """insert into platform.log_relays as r (partition, holder, held_until)
               values ($1, $2, clock_timestamp() + make_interval(secs => $3))
               on conflict (partition) do update set holder = excluded.holder, held_until = excluded.held_until
                  where r.holder = excluded.holder or r.held_until < clock_timestamp()
               returning true""",
            partition,
            holder,
            for_s,
        )
    )


async def let_go(tx: Tx, partition: int, holder: UUID) -> None:
    await tx.execute(
        "update platform.log_relays set held_until = clock_timestamp() where partition = $1 and holder = $2",
        partition,
        holder,
    )


async def rewind(tx: Tx, group: str, pattern: str) -> int:
    """Send a group back to where the log begins, in topics like this; return how many cursors went."""
    return int(await tx.fetchval("select platform.log_rewind($1, $2)", group, pattern))


async def topics_of(tx: Tx, groups: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the topics, of those that there are, that each of these groups hears."""
    rows = await tx.fetch(
        """select g.group_name, array_agg(distinct h.topic) as topics
             from platform.log_groups g join platform.log_heads h on h.topic like g.pattern
            where g.group_name = any ($1) group by 1""",
        groups,
    )
    return {row["group_name"]: frozenset(row["topics"]) for row in rows}
