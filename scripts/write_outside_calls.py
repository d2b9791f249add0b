"""Write docs/security/outside-calls.md: every call to the outside, with its limits, drawn from the constants that set them."""

import sys
from pathlib import Path

from guilder.domain.audit import performers as audit
from guilder.domain.catalog.routes import plans as catalog
from guilder.domain.entitlements import routes as entitlements
from guilder.domain.gateways import performers as gateways
from guilder.domain.identity.service import clerk, providers
from guilder.domain.invoicing import performers as invoicing
from guilder.domain.notifications.performers import sending
from guilder.domain.privacy import performers as privacy
from guilder.domain.webhooks import performers as webhooks
from guilder.entrypoints import roles, storing
from guilder.entrypoints.roles import Role
from guilder.platform.auth import introspection, jwks
from guilder.platform.cache import client as redis
from guilder.platform.db import database, replica
from guilder.platform.db.masters import aws
from guilder.platform.outside import http, mail, runner, sms
from guilder.platform.outside.breaker import BreakerLimits
from guilder.platform.outside.intents import Limits
from guilder.wiring.performers import CEILINGS, WINDOWS

PAGE = Path(__file__).parents[1] / "docs" / "security" / "outside-calls.md"

# What runs as an intent: who is called, the performer's limits, the family of its lane, and what nobody there means.
INTENTS: list[tuple[str, Limits, str, str]] = [
    ("a provider: charge, cancel, refund, save a method", gateways.LIMITS, "gateway", "`unknown`, looked up again; nothing is declined"),
    ("a provider: register our webhook", gateways.Connecting.limits, "gateway", "tried again; `guilder connect` says so"),
    ("a provider: read its books", gateways.ReadingBooks.limits, "gateway", "read in the next hour"),
    ("the file store: an invoice's PDF", invoicing.InvoiceDocuments.limits, "files", "the PDF comes later"),
    ("the file store: delete a PDF", invoicing.DocumentRemoval.limits, "files", "deleted later"),
    ("the file store: an export of the audit", audit.AuditExports.limits, "files", "the export comes later"),
    ("the file store: a person's export", privacy.Exporting.limits, "files", "the export comes later"),
    ("the file store: delete a person's export", privacy.ExportRemoval.limits, "files", "deleted later"),
    ("SMTP", sending.MAIL_LIMITS, "smtp", "the mail is sent later, under the same id"),
    ("Twilio, for SMS", sending.SMS_LIMITS, "sms", "the text is sent later"),
    ("a tenant's webhook receiver", webhooks.LIMITS, "webhook", "tried for three days, then kept to be replayed"),
]  # fmt: skip


def page() -> str:
    """Write the page."""
    breaker = BreakerLimits()
    pool = ", ".join(
        f"{roles.POOL_MAX[role]} ({role.value})" for role in (Role.SERVE, Role.WORK, Role.SCHEDULE, Role.RELAY)
    )
    rows = [
        "# Every call to the outside",
        "",
        "Made by `python scripts/write_outside_calls.py` from the constants that the code itself uses; a test says when it is",
        "stale, and that no other part of the product makes a client of its own. How intents work: [the design](../design/outside-calls.md).",
        "",
        "## By workers, as intents",
        "",
        "No transaction is open meanwhile. Each destination (an account, a server, a host) has a window and a breaker of its own.",
        "",
        "| who is called | one call | tries | waits between | for at least | at once | nobody there |",
        "|---|---|---|---|---|---|---|",
    ]
    for who, limits, family, away in INTENTS:
        window = f"{WINDOWS.get(family, runner.WINDOW)} a destination"
        most = f", {CEILINGS[family]} in all" if family in CEILINGS else ""
        waits = f"{limits.backoff_first_s:g} s … {limits.backoff_max_s:g} s"
        # Whether a receiver is tried again is the room's own plan; an intent is one attempt of it.
        span = "by its plan" if family == "webhook" else _span(limits.patience_s)
        tried = f"{limits.timeout_s:g} s | {limits.attempts_max:,} | {waits} | {span}"
        rows.append(f"| {who} | {tried} | {window}{most} | {away} |")
    rows += [
        "",
        f"One process makes at most {runner.CALLS_MAX} calls at once; what does not fit waits in the database, unclaimed and uncounted. A breaker opens when half of at least {breaker.calls_min} calls in {breaker.window_s:g} s brought no answer,",
        f"for {breaker.open_first_s:g} s first and {breaker.open_max_s:g} s at most, and lets one probe through after.",
        "",
        f"Under all of them: HTTP {http.CONNECT_TIMEOUT_S:g} s to connect, {http.TOTAL_TIMEOUT_S:g} s for a piece of an answer, no redirects, no proxy from the environment,",
        f"public addresses on port 443 only, {http.READ_MAX // 1024} kB read of what a tenant's receiver says; SMTP {mail.TIMEOUT_S:g} s; Twilio {sms.TIMEOUT_S:g} s.",
        "",
        "## While somebody waits for an answer",
        "",
        "| who is called | when | one call | kept | at once | nobody there |",
        "|---|---|---|---|---|---|",
        f"| PostgreSQL | every request | {database.CONNECT_TIMEOUT_S} s to connect, {database.STATEMENT_TIMEOUT_S} s a statement |  | {pool} connections a process (`DATABASE_POOL_MAX`); the next waits | 503 with Retry-After; `/ready` is 503 |",
        f"| a read replica | a read that may lag | {replica.ACQUIRE_S:g} s for a connection, {replica.READ_TIMEOUT_S:g} s a statement |  | as many again | the primary answers |",
        f"| Redis, if `REDIS_URL` is set | limits of each request; answers about access and plans; key sets; after a change of them | {redis.TIMEOUT_S:g} s, all of it | answers {entitlements.KEPT.seconds} s and {catalog.KEPT.seconds} s, key sets {jwks.TTL_S} s | {redis.CONNECTIONS_MAX} connections a process (a cluster: of each node) | nobody waits twice: one failure, and it is left alone; a probe of {redis.PROBE_TIMEOUT_S:g} s each {redis.PROBE_FIRST_S:g} … {redis.PROBE_MAX_S:g} s finds it again. Limits are each process's own; `/ready` says degraded |",
        f"| an issuer's key set (JWKS), its discovery | a token's key is not known, or known for {jwks.TTL_S} s | {jwks.TIMEOUT_S} s | {jwks.TTL_S} s, {jwks.STALE_MAX_S} s while it is away | one for an issuer, one in {jwks.REFETCH_GAP_S} s (of all processes, with Redis) | known keys count on; unknown ones are 401 |",
        f"| token introspection (RFC 7662) | an opaque token | {introspection.TIMEOUT_S} s | {introspection.GOOD_TTL_S} s, a no {introspection.BAD_TTL_S} s | {introspection.QUESTIONS_MAX} | nobody is let in |",
        f"| Clerk's backend | a sensitive call by a Clerk user | {clerk.TIMEOUT_S} s | {clerk.REMEMBERED_S} s | one for a user | 503 with Retry-After for that call alone |",
        f"| an issuer's sign-in (discovery, token) | somebody signs in at their issuer | {providers.TIMEOUT_S} s | discovery {providers.REMEMBERED_S} s |  | the page says so; a password still works |",
        "",
        "## At the start, and by command",
        "",
        "| who is called | when | one call | nobody there |",
        "|---|---|---|---|",
        f"| a KMS | the start, and when keys are changed | {aws.CONNECT_TIMEOUT_S} s to connect, {aws.READ_TIMEOUT_S} s to answer, {aws.TRIES_MAX} tries | it does not start; what runs goes on |",
        f"| the file store, if it is a bucket | a worker starts, `guilder doctor --config` | {storing.TRY_TIMEOUT_S:g} s: a small file is written, read, removed | refused, it does not start; away, it starts and says so |",
        "| OpenTelemetry's collector | in the background, if one is set | the exporter's own 10 s | traces are dropped |",
        "| the simulated provider, on this machine | sandboxes | as a provider | as a provider |",
        "",
        "What a browser opens (a provider's page) is opened by the browser. Guilder calls nobody else: no telemetry, no update check,",
        "no fonts, no geography of addresses.",
        "",
    ]
    return "\n".join(rows)


def _span(seconds: float) -> str:
    """Write how long, roughly: what somebody who waits for it wants to know."""
    for unit_s, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def main() -> int:
    if "--check" in sys.argv:
        return 0 if PAGE.is_file() and PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
