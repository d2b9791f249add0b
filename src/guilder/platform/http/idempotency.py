"""Asking twice does it once: the answer to a key is stored in the transaction that did the work.

What was refused did nothing and is not stored: the key may be tried again. Answers are kept for at least 72 hours;
after that a rule of the business itself (one open subscription, one payment an order) must do.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from starlette.datastructures import URL
from starlette.responses import Response
from starlette.types import Scope

from guilder.kernel.errors import Conflict, Invalid, Malformed
from guilder.platform import crypto
from guilder.platform.auth.principal import Kind, Principal
from guilder.platform.db.tx import Tx

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PURGE_MAX = 5_000
TABLE = "platform.idempotency_keys"
FORGOTTEN = b'{"type":"about:blank","title":"Conflict","status":409,"code":"customer_erased"}'
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")


class BadKey(Malformed):
    """An idempotency key is 1 to 255 visible ASCII characters, given once."""

    code = "bad_idempotency_key"


class InFlight(Conflict):
    """A request with this key is being served right now; ask again in a moment."""

    code = "idempotency_in_flight"


class Mismatch(Invalid):
    """This key was used for another request."""

    code = "idempotency_mismatch"


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key, whose it is, and what it was given for."""

    principal: Principal
    text: str
    fingerprint: bytes

    @property
    def scope(self) -> str:
        if self.principal.kind is Kind.CUSTOMER_USER:
            return f"customer:{self.principal.customer_id}"
        return "tenant"

    @property
    def lock(self) -> int:
        """Return the number of the advisory lock that twins meet at."""
        name = f"idempotency\n{self.principal.tenant_id}\n{self.scope}\n{self.text}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)

    @property
    def about(self) -> bytes:
        return crypto.about(TABLE, self.principal.tenant_id, self.scope, self.text)


class Kept(NamedTuple):
    """An answer as it is stored under its key."""

    key: Key
    status: int
    body: bytes
    media_type: str
    location: str | None = None


class Answers(NamedTuple):
    """How many stored answers were forgotten, and after which one to go on; None: there is no other."""

    forgotten: int
    after: tuple[str, str] | None


def read_key(given: Sequence[str]) -> str | None:
    """Read the header; None if there is none.

    :raises BadKey: empty, too long, control characters, or several
    """
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise BadKey(field=HEADER)
    return given[0]


def fingerprint(*, method: str, path: str, query: bytes, body: bytes) -> bytes:
    """Hash what was asked, byte by byte: the same key means the same bytes."""
    digest = hashlib.sha256()
    for part in (method.encode(), path.encode("utf-8", "surrogateescape"), query, body):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


def key_of(scope: Scope, given: Sequence[str], principal: Principal, body: bytes) -> Key | None:
    """Return the key of a request, as its headers say it; None if they say none.

    :raises BadKey: empty, too long, control characters, or several
    """
    text = read_key(given)
    if text is None or scope["method"] not in METHODS:
        return None
    asked = fingerprint(method=scope["method"], path=URL(scope=scope).path, query=scope["query_string"], body=body)
    return Key(principal, text, asked)


async def claim_new(tx: Tx, keys: Sequence[Key]) -> list[bool]:
    """Take keys for this transaction, and say of each whether it did.

    Not taken is one that another transaction holds, that was answered before, or that is given twice here, the second
    time: what to say to that is for `claim`, alone.
    """
    locks = {each.lock: place for place, each in reversed(list(enumerate(keys)))}
    rows = await tx.fetch(
        "select l.number from unnest($1::bigint[]) as l (number) where pg_try_advisory_xact_lock(l.number)",
        sorted(locks),
    )
    taken = {locks[row["number"]] for row in rows}
    # A statement of its own, as in `claim`.
    rows = await tx.fetch(
        """select scope, key from platform.idempotency_keys
            where tenant_id = $1 and (scope, key) in (select * from unnest($2::text[], $3::text[]))""",
        tx.tenant_id,
        [each.scope for each in keys],
        [each.text for each in keys],
    )
    known = {(row["scope"], row["key"]) for row in rows}
    return [place in taken and (each.scope, each.text) not in known for place, each in enumerate(keys)]


async def claim(tx: Tx, key: Key, keys: crypto.KeyRing) -> Response | None:
    """Take the key for this transaction, or return the answer that it was given before.

    :raises InFlight: another transaction holds it
    :raises Mismatch: it was given for something else
    """
    if not await tx.fetchval("select pg_try_advisory_xact_lock($1)", key.lock):
        raise InFlight(retry_after_s=1)
    # A statement of its own, after the lock: only so does it see what the twin before committed.
    row = await tx.fetchrow(
        """select fingerprint, status, media_type, location, body from platform.idempotency_keys
           where (tenant_id, scope, key) = ($1, $2, $3)""",
        key.principal.tenant_id,
        key.scope,
        key.text,
    )
    if row is None:
        return None
    if row["fingerprint"] != key.fingerprint:
        raise Mismatch(field=HEADER)
    headers = {REPLAYED: "true"} | ({"Location": row["location"]} if row["location"] else {})
    body = crypto.open_(keys, row["body"], about=key.about)
    return Response(body, row["status"], headers, media_type=row["media_type"] or None)


async def remember(tx: Tx, key: Key, keys: crypto.KeyRing, answer: Response) -> None:
    """Store the answer, in the transaction that did what it says.

    One that is streamed has no bytes yet: such a route does nothing that a key must guard.
    """
    if hasattr(answer, "body"):
        headers = answer.headers
        kept = Kept(
            key, answer.status_code, bytes(answer.body), headers.get("content-type", ""), headers.get("location")
        )
        await remember_each(tx, [kept], keys)


async def remember_each(tx: Tx, kept: Sequence[Kept], keys: crypto.KeyRing) -> None:
    """Store answers, in the transaction that did what they say."""
    await tx.send(
        """insert into platform.idempotency_keys
               (tenant_id, scope, key, fingerprint, status, media_type, location, body)
           select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::int[], $6::text[], $7::text[], $8::bytea[])""",
        [each.key.principal.tenant_id for each in kept],
        [each.key.scope for each in kept],
        [each.key.text for each in kept],
        [each.key.fingerprint for each in kept],
        [each.status for each in kept],
        [each.media_type for each in kept],
        [each.location for each in kept],
        [crypto.seal(keys, each.body, about=each.key.about) for each in kept],
    )


async def reseal(tx: Tx, keys: crypto.KeyRing, *, limit: int) -> int:
    """Seal answers of the transaction's tenants anew, by the current master key; return how many. Repeat until 0."""
    rows = await tx.fetch(
        """select tenant_id, scope, key, body from platform.idempotency_keys
            where substr(body, 1, length($1::bytea)) <> $1
            order by tenant_id, scope, key limit $2 for update""",
        crypto.header(keys.current),
        limit,
    )
    abouts = [crypto.about(TABLE, row["tenant_id"], row["scope"], row["key"]) for row in rows]
    await tx.execute(
        """update platform.idempotency_keys k set body = fresh.body
             from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) as fresh (tenant_id, scope, key, body)
            where (k.tenant_id, k.scope, k.key) = (fresh.tenant_id, fresh.scope, fresh.key)""",
        [row["tenant_id"] for row in rows],
        [row["scope"] for row in rows],
        [row["key"] for row in rows],
        [
            crypto.seal(keys, crypto.open_(keys, row["body"], about=about), about=about)
            for row, about in zip(rows, abouts, strict=True)
        ],
    )
    return len(rows)


async def purge(tx: Tx, *, before: datetime) -> int:
    """Forget answers given before this, up to `PURGE_MAX` of them; never one younger than 72 hours."""
    return int(await tx.fetchval("select platform.purge_idempotency_keys($1, $2)", before, PURGE_MAX))


async def forget(
    tx: Tx, keys: crypto.KeyRing, *, ids: Sequence[str], name: str, after: tuple[str, str], limit: int
) -> Answers:
    """Look through the stored answers of the transaction's tenant, a page at a time, and forget those about a customer,
    by its `ids` and by its organization's `name`: whoever asks again with their key is told that the subject was erased,
    and nothing is done twice.
    """
    rows = await tx.fetch(
        """select scope, key, body from platform.idempotency_keys
            where tenant_id = $1 and (scope, key) > ($2, $3) order by scope, key limit $4""",
        tx.tenant_id,
        *after,
        limit,
    )
    in_key = re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])") if name else None
    found, named = [], []
    for row in rows:
        about = crypto.about(TABLE, tx.tenant_id, row["scope"], row["key"])
        if not _is_about(crypto.open_(keys, row["body"], about=about), ids, name):
            continue
        # A key that says the name itself is kept no longer: what it guarded is refused, since its subject is no more.
        if in_key and in_key.search(row["key"]):
            named.append((row["scope"], row["key"]))
        else:
            found.append((row["scope"], row["key"], crypto.seal(keys, FORGOTTEN, about=about)))
    await tx.execute(
        """delete from platform.idempotency_keys
            where tenant_id = $1 and (scope, key) in (select * from unnest($2::text[], $3::text[]))""",
        tx.tenant_id,
        [scope for scope, _ in named],
        [key for _, key in named],
    )
    await tx.execute(
        """update platform.idempotency_keys k
              set status = 409, media_type = 'application/problem+json', location = null, body = v.body
             from unnest($2::text[], $3::text[], $4::bytea[]) as v (scope, key, body)
            where k.tenant_id = $1 and k.scope = v.scope and k.key = v.key""",
        tx.tenant_id,
        [each[0] for each in found],
        [each[1] for each in found],
        [each[2] for each in found],
    )
    last = rows[-1] if len(rows) == limit else None
    return Answers(len(found) + len(named), (last["scope"], last["key"]) if last else None)


def _is_about(body: bytes, ids: Sequence[str], name: str) -> bool:
    """Say whether an answer is about a customer: it has its id, or its organization's and nobody's id.

    Only where an organization is said: its id may be any word, a plan's code, too; and another's once it is free again.
    """
    if any(f'"{each}"'.encode() in body for each in ids):
        return True
    says = re.compile(
        rb'"(?:organization_id|customer)"\s*:\s*' + re.escape(json.dumps(name, ensure_ascii=False).encode())
    )
    return bool(name) and b'"cus_' not in body and says.search(body) is not None
