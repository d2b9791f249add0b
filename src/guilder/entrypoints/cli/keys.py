"""`guilder keys`: API keys of a tenant."""

from datetime import timedelta
from typing import Annotated

import typer

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import ApiKey, Role
from guilder.entrypoints.cli.access import DEFAULT, Office, TenantOption, at_work
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, table
from guilder.kernel import ids

app = typer.Typer(cls=Polite, help="API keys: listed, made, revoked.", no_args_is_help=True)


@app.command("list")
def listing(tenant: TenantOption = DEFAULT) -> None:
    """List a tenant's keys, revoked ones too, the newest first. The keys themselves are not kept, and not shown."""
    keys = at_work(lambda office: _keys(office, tenant))
    table(
        "id",
        "name",
        "key",
        "role",
        "scopes",
        "made",
        "state",
        rows=[
            (
                ids.to_text("key", k.id),
                k.name,
                k.hint,
                k.role,
                " ".join(sorted(k.scopes)),
                f"{k.created_at:%Y-%m-%d}",
                s,
            )
            for k, s in keys
        ],
        none=f"{tenant} has no API key: guilder keys create --tenant {tenant}.",
    )


async def _keys(office: Office, name: str) -> list[tuple[ApiKey, str]]:
    # Keys expire by the wall clock, a sandbox's too.
    now = office.clock.now()
    found = await office.of(await office.find(name), lambda tx, _now: identity.keys(tx))
    return [(key, _state(key, is_expired=bool(key.expires_at and key.expires_at <= now))) for key in found]


def _state(key: ApiKey, *, is_expired: bool) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at:
        return f"{'expired' if is_expired else 'until'} {key.expires_at:%Y-%m-%d}"
    return "in use"


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "made by the command line",
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.ADMIN,
    scope: Annotated[list[str] | None, typer.Option(help="plans:read, invoices:*, …; again for more.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3_660, help="How long it works; without, for ever.")] = None,
    tenant: TenantOption = DEFAULT,
) -> None:
    """Make a key, and print it, once.

    Example: guilder keys create --tenant acme --role member --scope invoices:read --days 90
    """
    text = at_work(lambda office: _mint(office, tenant, name, role, scope or ["*"], days))
    out.print(text, soft_wrap=True)


async def _mint(office: Office, tenant: str, name: str, role: Role, scopes: list[str], days: int | None) -> str:
    expires_at = office.clock.now() + timedelta(days=days) if days else None
    _, text = await office.of(
        await office.find(tenant),
        lambda tx, now: identity.mint_key(tx, name=name, role=role, scopes=scopes, expires_at=expires_at, now=now),
    )
    return text


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, as `guilder keys list` shows it (key_…).")],
    tenant: TenantOption = DEFAULT,
) -> None:
    """Revoke a key: the next request with it is refused."""
    key_id = ids.from_text("key", key)
    if key_id is None:
        raise Trouble(f"{key!r} is no key's id; `guilder keys list` shows them")

    async def do(office: Office) -> ApiKey:
        found = await office.find(tenant)
        return await office.of(found, lambda tx, now: identity.revoke_key(tx, key_id=key_id, now=now))

    revoked = at_work(do)
    out.print(f"{revoked.name} ({revoked.hint}) is revoked.")
