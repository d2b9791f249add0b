"""`guilder connect`: a payment provider in five minutes, and what is wrong with one that is connected."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr
from rich.markup import escape

from guilder.domain.gateways.model import Finding, GatewayAccount
from guilder.entrypoints.cli.access import DEFAULT, TenantOption, office
from guilder.entrypoints.cli.connecting import Desk, Wanted, is_public
from guilder.entrypoints.cli.speaking import Polite, Trouble, err, out, progress
from guilder.entrypoints.cli.working import busy_house
from guilder.entrypoints.databases import database_of, reachable
from guilder.platform.config import Settings, read_settings

app = typer.Typer(
    cls=Polite,
    help="Connect a payment provider in five minutes, or check one that is connected.",
    no_args_is_help=True,
)

# Connected, and something is left to do.
UNFINISHED = 3
STDIN_MAX = 4_096
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_TUNNEL = (
    "PUBLIC_URL says {url}, which {provider} cannot reach. Open a tunnel (`cloudflared tunnel --url {url}`, or "
    "`ngrok http {port}`), put PUBLIC_URL=https://… into .env, start Guilder again, and connect again"
)
_FORWARD = "; or have Stripe's own tool forward its webhooks: `stripe listen`, and connect with --endpoint-secret"

NameOption = Annotated[str, typer.Option(help="What to call the account; one of this name gets the new key.")]
StdinOption = Annotated[bool, typer.Option("--key-stdin", help="Read the secrets from stdin, one a line.")]
DefaultOption = Annotated[bool, typer.Option("--default", help="Charge here where nothing else is said.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Only check the account that is connected.")]
WaitOption = Annotated[float, typer.Option("--wait", min=0, max=600, help="How many seconds to wait for each step.")]


@app.command("stripe")
def stripe(
    tenant: TenantOption = DEFAULT,
    name: NameOption = "Stripe",
    key_stdin: StdinOption = False,
    endpoint_secret: Annotated[
        bool,
        typer.Option(
            "--endpoint-secret",
            help="Ask for the signing secret (whsec_…) of an endpoint that you made, or of `stripe listen`.",
        ),
    ] = False,
    default: DefaultOption = False,
    check: CheckOption = False,
    wait_s: WaitOption = 30,
) -> None:
    """Connect Stripe: asks for the secret key, or takes STRIPE_SECRET_KEY. Guide: docs/howto/stripe.md.

    Exit code 0: all is right; 3: connected, and something is to be done; 1: nothing was connected.
    """
    settings = read_settings()

    def enter() -> Wanted:
        lines = _lines() if key_stdin else iter(())
        key = _secret("Secret key (sk_… or rk_…)", "STRIPE_SECRET_KEY", settings.stripe_secret_key, lines, key_stdin)
        given = ""
        if endpoint_secret or settings.stripe_webhook_secret:
            known = settings.stripe_webhook_secret
            given = _secret("Signing secret (whsec_…)", "STRIPE_WEBHOOK_SECRET", known, lines, key_stdin)
            if not given.startswith("whsec_"):
                raise Trouble("the signing secret of an endpoint of Stripe's begins with whsec_")
        mine = {"webhook_id": ""} if given else {}
        return Wanted(
            gateway="stripe", name=name, secret_key=key, settings=mine, endpoint_secret=given, is_default=default
        )

    _run(settings, "stripe", tenant, name, None if check else enter, wait_s=wait_s)


@app.command("paypal")
def paypal(
    tenant: TenantOption = DEFAULT,
    name: NameOption = "PayPal",
    client_id: Annotated[str, typer.Option(help="The app's client id; else PAYPAL_CLIENT_ID, or asked for.")] = "",
    environment: Annotated[
        Literal["sandbox", "live"] | None, typer.Option(help="Which PayPal the app belongs to.")
    ] = None,
    key_stdin: StdinOption = False,
    default: DefaultOption = False,
    check: CheckOption = False,
    wait_s: WaitOption = 30,
) -> None:
    """Connect PayPal: asks for the app's client id and secret, or takes PAYPAL_*. Guide: docs/howto/paypal.md.

    Exit code 0: all is right; 3: connected, and something is to be done; 1: nothing was connected.
    """
    settings = read_settings()

    def enter() -> Wanted:
        lines = _lines() if key_stdin else iter(())
        whose = client_id or settings.paypal_client_id or _asked("Client id", hidden=False)
        secret = _secret("Secret", "PAYPAL_CLIENT_SECRET", settings.paypal_client_secret, lines, key_stdin)
        mine = {"client_id": whose, "environment": environment or settings.paypal_environment}
        return Wanted(gateway="paypal", name=name, secret_key=secret, settings=mine, is_default=default)

    _run(settings, "paypal", tenant, name, None if check else enter, wait_s=wait_s)


def _run(
    settings: Settings, gateway: str, tenant: str, name: str, enter: Callable[[], Wanted] | None, *, wait_s: float
) -> None:
    wanted = enter() if enter is not None else None
    if wanted is not None:
        _refuse_unreachable(settings, wanted)
    runs_elsewhere = reachable(settings) is not None
    with database_of(settings, progress=progress) as found:
        work = _connect(wanted, wait_s) if wanted is not None else _check(name, wait_s)
        # Where nothing runs, the worker that registers the webhook runs here meanwhile.
        is_right = asyncio.run(_at_desk(found, gateway, tenant, work, runs_elsewhere=runs_elsewhere or wanted is None))
    if not is_right:
        raise typer.Exit(UNFINISHED)


async def _at_desk(
    settings: Settings, gateway: str, tenant: str, work: Callable[[Desk], Awaitable[bool]], *, runs_elsewhere: bool
) -> bool:
    async with office(settings) as opened:
        found = await opened.find(tenant)
        async with busy_house(settings, runs_elsewhere=runs_elsewhere) as house:
            return await work(Desk(opened, house.ports.gateways[gateway], found))


def _connect(wanted: Wanted, wait_s: float) -> Callable[[Desk], Awaitable[bool]]:
    async def work(desk: Desk) -> bool:
        before = await desk.look_before(wanted)
        _say(before)
        if not before[0].is_ok:
            raise Trouble("nothing was connected")
        account = await desk.save(wanted)
        out.print(f"Connected with {desk.tenant.slug} as {escape(account.name)}.", soft_wrap=True)
        if wanted.endpoint_secret and not is_public(desk.url(account)):
            out.print(f"In another terminal: stripe listen --forward-to {desk.url(account)}", soft_wrap=True)
        reason = ""
        if not wanted.endpoint_secret:
            with err.status("waiting until our webhook is registered"):
                reason = await desk.until_registered(account, wait_s=wait_s)
        if reason:
            _say([Finding(what="our webhook is registered", is_ok=False, advice=reason)])
        is_right = not reason and await _look(desk, account, wait_s, said={each.what for each in before})
        _next_step(desk, account, is_right=is_right)
        return is_right

    return work


def _check(name: str, wait_s: float) -> Callable[[Desk], Awaitable[bool]]:
    async def work(desk: Desk) -> bool:
        is_right = await _look(desk, await desk.find(name), wait_s, said=set())
        out.print("All is right." if is_right else "Something is left to do, above.")
        return is_right

    return work


async def _look(desk: Desk, account: GatewayAccount, wait_s: float, *, said: set[str]) -> bool:
    """Say how an account is, but what was said before; and whether it is heard from."""
    fresh = await desk.find(account.name)
    found = await desk.look(fresh)
    _say([each for each in found if each.what not in said])
    is_right = all(each.is_ok for each in found)
    if is_right:
        with err.status("waiting for a test notice"):
            heard = await desk.listen(fresh, wait_s=wait_s)
        if heard is None:
            out.print(
                "It sends no test notice that could be told from a forgery: the first payment shows that it is heard."
            )
        else:
            _say([heard])
            is_right = heard.is_ok
    if fresh.quarantined_at is not None:
        is_right = False
        _say(
            [Finding(what="charges are allowed", is_ok=False, advice="It is quarantined: `guilder quarantine status`.")]
        )
    return is_right


def _next_step(desk: Desk, account: GatewayAccount, *, is_right: bool) -> None:
    again = f"guilder connect {account.gateway} --check --tenant {desk.tenant.slug}"
    if not is_right:
        out.print(f"Something is left to do, above. Then: {again}", soft_wrap=True)
    elif not account.is_default:
        out.print(
            f"Ready. Another account is the default; to charge here: add --default. Check: {again}", soft_wrap=True
        )
    else:
        out.print(f"Ready: what {desk.tenant.slug} sells is paid here. Check: {again}", soft_wrap=True)
    out.print(f"Next: sell something. docs/howto/{account.gateway}.md goes on from here.", soft_wrap=True)


def _say(findings: Sequence[Finding]) -> None:
    for each in findings:
        mark = "[green]✓[/green]" if each.is_ok else "[red]✗[/red]"
        advice = f": {each.advice[0].upper()}{each.advice[1:]}" if each.advice else ""
        out.print(f"{mark} {escape(each.what + advice)}", soft_wrap=True)


def _refuse_unreachable(settings: Settings, wanted: Wanted) -> None:
    """Refuse an address that the provider cannot send webhooks to, before anything is saved.

    :raises Trouble: it is on this machine or in this network, and the provider is not
    """
    api = settings.stripe_api_url if wanted.gateway == "stripe" else settings.paypal_api_url or ""
    is_here = urlsplit(api).hostname in _LOCAL
    if is_here or wanted.endpoint_secret or is_public(settings.base_url):
        return
    said = _TUNNEL.format(
        url=settings.base_url, port=settings.port, provider="Stripe" if wanted.gateway == "stripe" else "PayPal"
    )
    raise Trouble(said + (_FORWARD if wanted.gateway == "stripe" else ""))


def _secret(label: str, variable: str, known: SecretStr | None, lines: Iterator[str], from_stdin: bool) -> str:
    """Return a secret: from stdin, from the environment, or typed unseen. Never from the command line."""
    if from_stdin:
        line = next(lines, "")
        if not line:
            raise Trouble(f"stdin has no line for: {label}")
        return line
    if known is not None:
        where = "the environment" if variable in os.environ else ".env"
        out.print(f"{variable} of {where} is used.")
        return known.get_secret_value().strip()
    return _asked(label, hidden=True)


def _asked(label: str, *, hidden: bool) -> str:
    if not sys.stdin.isatty():
        raise Trouble(f"nobody is there to ask: {label}. Use --key-stdin, or the environment")
    said: str = typer.prompt(label, hide_input=hidden)
    return said.strip()


def _lines() -> Iterator[str]:
    return iter([line.strip() for line in sys.stdin.read(STDIN_MAX).splitlines() if line.strip()])
