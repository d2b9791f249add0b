"""`guilder quarantine`: after a restore, nothing is charged before what the providers know has been read again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer

from guilder.domain.gateways import service as gateways
from guilder.domain.gateways.model import GatewayAccount
from guilder.domain.identity.model import Tenant
from guilder.domain.payments import service as payments
from guilder.domain.payments.model import Found
from guilder.entrypoints.cli.access import Office, at_work
from guilder.entrypoints.cli.instants import instant
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, table
from guilder.platform.db.tx import Tx

app = typer.Typer(
    cls=Polite,
    help="After a restore: charge nothing before what the providers know has been read again.",
    no_args_is_help=True,
)

MARGIN = timedelta(hours=1)
OnlyTenant = Annotated[str | None, typer.Option("--tenant", "-t", help="Only this tenant's; by default everybody's.")]


@app.command("enter")
def enter(tenant: OnlyTenant = None) -> None:
    """Charge nothing from now on, at any gateway account. Do this before the workers start on a restored database."""
    count = at_work(lambda office: _enter(office, tenant))
    out.print(
        f"{count} gateway accounts charge nothing now. Next: guilder quarantine read --since WHEN, workers running."
    )


@app.command("read")
def read(
    since: Annotated[str, typer.Option(help="From when: an hour before the instant that was restored to.")],
    tenant: OnlyTenant = None,
) -> None:
    """Have the providers' books read again since then. The workers do it; `status` says how far they are."""
    at_work(lambda office: _read(office, tenant, instant(since)))
    out.print("The workers read the books now. `guilder quarantine status` says how far they are.")


@app.command("status")
def status(tenant: OnlyTenant = None) -> None:
    """Say which accounts are quarantined, how far their books were read, and what was found."""
    rows = at_work(lambda office: _status(office, tenant))
    table(
        "tenant", "gateway", "account", "since", "books read to", "found", rows=rows, none="No account is quarantined."
    )


@app.command("leave")
def leave(
    tenant: OnlyTenant = None,
    accept: Annotated[
        bool, typer.Option(help="Also where something was found that can be matched to nothing.")
    ] = False,
) -> None:
    """Charge again. Refused while books are unread, or while something was found that nothing here can be matched to."""
    count = at_work(lambda office: _leave(office, tenant, accept=accept))
    out.print(f"{count} gateway accounts charge again.")


async def _tenants(office: Office, tenant: str | None) -> Sequence[Tenant]:
    return [await office.find(tenant)] if tenant else await office.every_tenant()


async def _enter(office: Office, tenant: str | None) -> int:
    async def work(tx: Tx, now: datetime) -> int:
        accounts = await gateways.accounts(tx)
        await gateways.quarantine(tx, accounts=[a for a in accounts if a.quarantined_at is None], now=now)
        return len(accounts)

    return sum([await office.of(each, work) for each in await _tenants(office, tenant)])


async def _read(office: Office, tenant: str | None, since: datetime) -> None:
    async def work(tx: Tx, now: datetime) -> None:
        for account in await gateways.accounts(tx):
            if account.quarantined_at is not None:
                await gateways.read_books(tx, accounts=[account], since=_from(account.quarantined_at, since), now=now)

    for each in await _tenants(office, tenant):
        await office.of(each, work)


def _from(quarantined_at: datetime, since: datetime) -> datetime:
    # A sandbox has its own time, in which the instant that was restored to is the one when it was quarantined.
    return min(since, quarantined_at - MARGIN)


async def _status(office: Office, tenant: str | None) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for each in await _tenants(office, tenant):
        accounts, read_to, homeless = await office.of(each, _standing)
        found += [
            (
                each.slug,
                account.gateway,
                account.name,
                f"{account.quarantined_at:%Y-%m-%d %H:%M}",
                f"{read_to[n]:%Y-%m-%d %H:%M}" if read_to[n] else "not yet",
                str(sum(one.account_id == account.id for one in homeless)),
            )
            for n, account in enumerate(accounts)
        ]
    return found


async def _leave(office: Office, tenant: str | None, *, accept: bool) -> int:
    count = 0
    for each in await _tenants(office, tenant):
        accounts, read_to, homeless = await office.of(each, _standing)
        for account, known_to in zip(accounts, read_to, strict=True):
            if known_to is None or account.quarantined_at is None or known_to < account.quarantined_at:
                raise Trouble(
                    f"the books of {account.name!r} of {each.slug} were not read up to its quarantine: "
                    "guilder quarantine read --since WHEN, and let the workers run"
                )
        strays = [one for one in homeless if not one.claim]
        if strays and not accept:
            raise Trouble(
                f"{len(strays)} charges of {each.slug} were found that nothing here can be matched to: "
                "decide them (GET /api/settlements/found), or --accept that they stay open"
            )

        async def work(tx: Tx, now: datetime, accounts: Sequence[GatewayAccount] = accounts) -> None:
            await gateways.release(tx, accounts=accounts)

        await office.of(each, work)
        count += len(accounts)
    return count


async def _standing(tx: Tx, now: datetime) -> tuple[list[GatewayAccount], list[datetime | None], list[Found]]:
    accounts = [each for each in await gateways.accounts(tx) if each.quarantined_at is not None]
    read_to = [await gateways.read_to(tx, account_id=each.id) for each in accounts]
    return accounts, read_to, await payments.homeless(tx)
