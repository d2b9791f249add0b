"""`guilder staff`: who of a tenant's people signs in here, and as what."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from guilder.domain.identity import service as identity
from guilder.domain.identity.model import Member, Role
from guilder.domain.identity.rules.passwords import checked_password
from guilder.entrypoints.cli.access import DEFAULT, Office, TenantOption, at_work
from guilder.entrypoints.cli.speaking import Polite, Trouble, out, table
from guilder.kernel import ids
from guilder.platform.auth.passwords import Passwords
from guilder.platform.db.tx import Tx

app = typer.Typer(cls=Polite, help="A tenant's own people: who signs in here, and as what.", no_args_is_help=True)

STDIN_MAX = 4_096

EmailArgument = Annotated[str, typer.Argument(help="The person's e-mail address.")]
StdinOption = Annotated[bool, typer.Option("--stdin", help="Read the password from stdin, one line.")]


@app.command("invite")
def invite(
    email: EmailArgument,
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.MEMBER,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="The person signs in at an issuer that the tenant trusts.")
    ] = False,
    stdin: StdinOption = False,
    tenant: TenantOption = DEFAULT,
) -> None:
    """Let a person in. Asks for a password, twice; with --no-password the person comes by an issuer.

    Example: guilder staff invite ana@acme.example --role admin
    """
    if "@" not in email.strip("@"):
        raise Trouble(f"{email!r} is no e-mail address")
    password = "" if no_password else _password(email, stdin=stdin)

    async def work(office: Office) -> str:
        found = await office.find(tenant)
        hash_ = await Passwords().hash(password) if password else ""

        async def do(tx: Tx, now: datetime) -> None:
            made = await identity.invite(tx, email=email, role=role, now=now)
            if hash_:
                await identity.set_password(tx, member_id=made.id, password_hash=hash_, email=email, now=now)

        await office.of(found, do)
        return found.slug

    slug = at_work(work)
    where = "at an issuer that it trusts" if no_password else "at /sign-in"
    out.print(f"{email} is {role} of {slug}, and signs in {where}.")


@app.command("password")
def password(email: EmailArgument, stdin: StdinOption = False, tenant: TenantOption = DEFAULT) -> None:
    """Give a person another password. Every session of theirs ends, and guesses made so far are forgotten.

    Example: guilder staff password ana@acme.example
    """
    said = _password(email, stdin=stdin)

    async def work(office: Office) -> None:
        found = await office.find(tenant)
        hash_ = await Passwords().hash(said)

        async def do(tx: Tx, now: datetime) -> None:
            one = await _member(tx, email)
            await identity.set_password(tx, member_id=one.id, password_hash=hash_, email=one.email, now=now)

        await office.of(found, do)

    at_work(work)
    out.print(f"{email} has another password, and is signed out everywhere.")


@app.command("list")
def listing(tenant: TenantOption = DEFAULT) -> None:
    """List a tenant's staff."""

    async def work(office: Office) -> list[Member]:
        async def do(tx: Tx, _: datetime) -> list[Member]:
            return await identity.members(tx)

        return await office.of(await office.find(tenant), do)

    table(
        "e-mail",
        "role",
        "signs in",
        "id",
        rows=[(each.email, each.role, _way(each), ids.to_text("mem", each.id)) for each in at_work(work)],
        none="There is nobody yet: guilder staff invite EMAIL.",
    )


@app.command("remove")
def remove(email: EmailArgument, tenant: TenantOption = DEFAULT) -> None:
    """Take a person off the staff: sessions end and tokens count no more, at once.

    Example: guilder staff remove ana@acme.example
    """

    async def work(office: Office) -> None:
        async def do(tx: Tx, now: datetime) -> None:
            await identity.remove_member(tx, member_id=(await _member(tx, email)).id, now=now)

        await office.of(await office.find(tenant), do)

    at_work(work)
    out.print(f"{email} is out.")


@app.command("sessions")
def sessions(
    end: Annotated[str, typer.Option("--end", help="End this session (ses_…).")] = "", tenant: TenantOption = DEFAULT
) -> None:
    """List who is signed in, or end a session.

    Example: guilder staff sessions --end ses_01h455vb4pex5vsknk084sn02q
    """
    session_id = ids.from_text("ses", end) if end else None
    if end and session_id is None:
        raise Trouble(f"{end!r} is no id of a session")

    async def work(office: Office) -> list[tuple[object, ...]]:
        async def do(tx: Tx, now: datetime) -> list[tuple[object, ...]]:
            if session_id is not None:
                await identity.end_session(tx, session_id=session_id, reason="revoked", now=now)
            emails = {each.id: each.email for each in await identity.members(tx)}
            return [
                (
                    emails.get(each.member_id, ""),
                    _minute(each.created_at),
                    _minute(each.last_seen_at),
                    each.agent,
                    each.address,
                    ids.to_text("ses", each.id),
                )
                for each in await identity.sessions(tx, wall=office.clock.now())
            ]

        return await office.of(await office.find(tenant), do)

    table("e-mail", "since", "last seen", "browser", "network", "id", rows=at_work(work), none="Nobody is signed in.")


async def _member(tx: Tx, email: str) -> Member:
    found = await identity.member_by_email(tx, email=email)
    if found is None:
        raise Trouble(f"nobody of the staff has the address {email}; `guilder staff list` shows who is there")
    return found


def _way(member: Member) -> str:
    ways = (["password"] if member.has_password else []) + (["issuer"] if member.subject else [])
    return ", ".join(ways) or "not yet"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _password(email: str, *, stdin: bool) -> str:
    """Read a new password: typed unseen and twice, or from stdin. Never from the command line, which others can see."""
    if stdin:
        said = sys.stdin.readline(STDIN_MAX).rstrip("\r\n")
    elif sys.stdin.isatty():
        said = typer.prompt("Password (12 characters or more)", hide_input=True, confirmation_prompt=True)
    else:
        raise Trouble("nobody is there to type a password: use --stdin, or --no-password")
    return checked_password(said, email=email)
