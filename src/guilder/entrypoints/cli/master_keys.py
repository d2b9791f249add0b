"""`guilder master-keys`: the keys that everything else is sealed under, changed while the house runs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from guilder.entrypoints import rewrapping
from guilder.entrypoints.cli.access import Office, at_work
from guilder.entrypoints.cli.speaking import Polite, out, progress, table
from guilder.kernel.ids import TenantId
from guilder.platform.crypto import Key, new_key, new_key_id, written
from guilder.platform.db.masters import Environment, Source
from guilder.wiring.ports import key_source

T = TypeVar("T")

# Each process reads the keys again every minute.
KNOWN_AFTER_S = 90

app = typer.Typer(
    cls=Polite,
    help="Master keys, which all that is sealed is sealed under: listed, added, changed, taken out.",
    no_args_is_help=True,
)
Wait = Annotated[int, typer.Option(min=0, help="Seconds until every process has read the keys again.")]


@dataclass(frozen=True, slots=True)
class _Keeper:
    office: Office
    source: Source
    keys: list[Key]
    tenants: list[TenantId]


def _kept(work: Callable[[_Keeper], Awaitable[T]]) -> T:
    async def do(office: Office) -> T:
        source = key_source(office.settings)
        tenants = [each.tenant_id for each in await office.every_tenant()]
        return await work(_Keeper(office, source, await source.load(), tenants))

    return at_work(do)


@app.command("list")
def listing() -> None:
    """List the keys, the one for new data first, and how much each has sealed. The keys themselves are not shown."""

    async def do(keeper: _Keeper) -> list[tuple[object, ...]]:
        counts = [await rewrapping.count_under(keeper.office.database, key) for key in keeper.keys]
        return [
            (key.id, "seals new data" if place == 0 else "opens only", *count.values())
            for place, (key, count) in enumerate(zip(keeper.keys, counts, strict=True))
        ]

    table("id", "use", "keys of subjects", "stored answers", rows=_kept(do), none="There is none.")


@app.command("add")
def add() -> None:
    """Add a key that seals nothing yet. Every process knows it within a minute, or on SIGHUP."""

    async def do(keeper: _Keeper) -> str:
        if isinstance(keeper.source, Environment):
            ring = written([*keeper.keys, new_key(new_key_id())])
            return f"Set this on every process, and restart them one by one:\nGUILDER_MASTER_KEY={ring}"
        key = await rewrapping.add(keeper.source, rewrapping.database_ring(keeper.office.database))
        return f"{key.id} is added. Next: guilder master-keys rotate --to {key.id}"

    out.print(_kept(do), soft_wrap=True)


@app.command("rotate")
def rotate(
    to: Annotated[str | None, typer.Option(help="A key that was added before; without, a new one.")] = None,
    wait: Wait = KNOWN_AFTER_S,
) -> None:
    """Seal new data with another key, and seal anew what older keys sealed. The house goes on meanwhile.

    What is interrupted is continued by `guilder master-keys rewrap`.
    """

    async def do(keeper: _Keeper) -> str:
        ring = rewrapping.database_ring(keeper.office.database)
        chosen = to
        if chosen is None:
            chosen = (await rewrapping.add(keeper.source, ring)).id
            progress(f"{chosen} is added; {wait} s until every process knows it")
            await asyncio.sleep(wait)
        await rewrapping.promote(keeper.source, ring, chosen)
        progress(f"{chosen} seals new data; {wait} s until every process does so")
        await asyncio.sleep(wait)
        done = await rewrapping.rewrap(keeper.office.database, keeper.tenants, say=progress)
        return f"{done:,} sealed anew by {chosen}. The keys before it open only: guilder master-keys list"

    out.print(_kept(do), soft_wrap=True)


@app.command("rewrap")
def rewrap() -> None:
    """Seal anew, with the current key, what older keys sealed. It goes on where it was interrupted."""
    done = _kept(lambda keeper: rewrapping.rewrap(keeper.office.database, keeper.tenants, say=progress))
    out.print(f"{done:,} sealed anew.")


@app.command("seal")
def seal() -> None:
    """Seal notes and reasons that were written before they were sealed: once, when every process is of this release."""

    async def do(keeper: _Keeper) -> int:
        now = keeper.office.clock.now()
        return await rewrapping.seal_words(keeper.office.database, keeper.tenants, now=now, say=progress)

    out.print(f"{_kept(do):,} texts sealed.")


@app.command("retire")
def retire(key: Annotated[str, typer.Argument(help="Its id, as `guilder master-keys list` shows it.")]) -> None:
    """Take a key out, if nothing is sealed by it. Links that it signed (payment, unsubscribe, files) end with it.

    Keep a copy of it as long as a backup that was made while it was used: nothing else opens that.
    """
    _kept(lambda keeper: rewrapping.retire(keeper.source, keeper.office.database, keeper.tenants, key))
    out.print(f"{key} is taken out. Keep a copy as long as the backups that were made under it.")
