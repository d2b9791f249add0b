"""`guilder tenant`: the businesses that bill here."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import typer

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Mode, Role, Tenant
from guilder.entrypoints.cli.access import ACTOR, DEFAULT, Office, TenantOption, at_work
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, table
from guilder.kernel import ids
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx

app = typer.Typer(cls=Polite, help="The businesses that bill here, and their people.", no_args_is_help=True)

FIRST_KEY = "first key"


@app.command("create")
def create(
    slug: Annotated[str, typer.Argument(help="Its short name: a-z, 0-9 and -.")],
    name: Annotated[str, typer.Option(help="Its name, for the invoices; by default the short one.")] = "",
    live: Annotated[bool, typer.Option("--live", help="Bills real money; without it a tenant is for testing.")] = False,
    time_zone: Annotated[str, typer.Option(help="Where its days begin and end, as an IANA name.")] = "UTC",
) -> None:
    """Found a tenant, and print its first API key, once.

    Example: guilder tenant create acme --name "Acme B.V." --live --time-zone Europe/Amsterdam
    """
    mode = Mode.LIVE if live else Mode.TEST
    tenant, key = at_work(lambda office: _found(office, slug, name or slug, mode, time_zone))
    out.print(f"Tenant {tenant.slug} ({tenant.mode}), {ids.to_text('ten', tenant.tenant_id)}.")
    out.print(f"Its API key, shown this once: {key}", soft_wrap=True)


async def _found(office: Office, slug: str, name: str, mode: Mode, time_zone: str) -> tuple[Tenant, str]:
    if not slug.replace("-", "").isalnum() or not slug.isascii() or slug != slug.lower() or len(slug) > 63:
        raise Trouble("a tenant's short name is made of a-z, 0-9 and -, 63 letters at most")
    now = office.clock.now()
    tenant_id = TenantId(ids.new(now))
    async with office.database.transaction([tenant_id], actor=ACTOR) as tx:
        tenant = await identity.create_tenant(
            tx, tenant_id=tenant_id, name=name, slug=slug, mode=mode, time_zone=time_zone, now=now
        )
        _, text = await identity.mint_key(tx, name=FIRST_KEY, role=Role.ADMIN, scopes=["*"], expires_at=None, now=now)
    return tenant, text


@app.command("list")
def listing() -> None:
    """List every tenant, sandboxes too."""
    tenants = at_work(lambda office: office.every_tenant())
    table(
        "short name",
        "mode",
        "status",
        "name",
        "id",
        rows=[(t.slug, t.mode, t.status, t.name, ids.to_text("ten", t.tenant_id)) for t in tenants],
        none="There is no tenant yet: guilder tenant create NAME.",
    )


@app.command("invite")
def invite(
    email: Annotated[str, typer.Argument(help="Whom to let in; the address must be proven by a token that it trusts.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.MEMBER,
    tenant: TenantOption = DEFAULT,
) -> None:
    """Let a person of the staff in.

    Example: guilder tenant invite ana@acme.example --role billing --tenant acme
    """
    if "@" not in email.strip("@"):
        raise Trouble(f"{email!r} is no e-mail address")

    async def do(tx: Tx, now: datetime) -> None:
        await identity.invite(tx, email=email, role=role, now=now)

    found = at_work(lambda office: _for(office, tenant, do))
    out.print(f"{email} is {role} of {found.slug} from the first sign-in on.")


@app.command("suspend")
def suspend(
    tenant: Annotated[str, typer.Argument(help="Its short name or id.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
) -> None:
    """Shut a tenant out: its keys and tokens count no more, and nothing of it falls due.

    Example: guilder tenant suspend acme --reason "contract ended"
    """

    async def do(tx: Tx, now: datetime) -> None:
        await identity.suspend_tenant(tx, reason=reason, now=now)

    found = at_work(lambda office: _for(office, tenant, do))
    out.print(f"{found.slug} is suspended. `guilder tenant resume {found.slug}` lets it in again.")


@app.command("resume")
def resume(
    tenant: Annotated[str, typer.Argument(help="Its short name or id.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")] = "resumed",
) -> None:
    """Let a suspended tenant in again; what fell due meanwhile is done, dated by when it did."""

    async def do(tx: Tx, now: datetime) -> None:
        await identity.resume_tenant(tx, reason=reason, now=now)

    found = at_work(lambda office: _for(office, tenant, do))
    out.print(f"{found.slug} is active.")


async def _for(office: Office, name: str, do: Callable[[Tx, datetime], Awaitable[None]]) -> Tenant:
    tenant = await office.find(name)
    await office.of(tenant, do)
    return tenant
