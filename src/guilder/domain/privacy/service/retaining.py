"""Keeping no longer than one must: a round a day over what is old, a batch of each kind at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.gateways import service as gateways
from guilder.domain.identity import service as identity
from guilder.domain.invoicing import service as invoicing
from guilder.domain.notifications import service as notifications
from guilder.domain.privacy.model import Forgotten, Rule
from guilder.domain.privacy.rules import retention as rules
from guilder.domain.privacy.store import retention as store
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.usage import service as usage
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.db.tx import Tx

BATCH = 1_000
# A report counts no further: it says "at least".
COUNT_MAX = 10_000
EVERY = timedelta(days=1)
EVERY_SANDBOX = timedelta(days=30)


async def retention(tx: Tx) -> list[Rule]:
    """Return how long the tenant keeps each kind, and how its rounds went."""
    rows = await store.rules(tx)
    found = []
    for kind, default in rules.DEFAULTS.items():
        row = rows.get(kind)
        if row is None:
            found.append(default)
            continue
        found.append(
            replace(
                default,
                days=default.days if row["days"] is None else row["days"],
                ran_at=row["ran_at"],
                forgotten=row["forgotten"],
                forgotten_last=row["forgotten_last"],
                done_to=row["done_to"],
            )
        )
    return found


async def set_retention(tx: Tx, *, days: Mapping[Forgotten, int | None], now: datetime) -> list[Rule]:
    """Keep kinds for so many days from the next round on; None: as the rule has it.

    :raises KeptTooShort: less than the least that the rule allows
    """
    for kind, each in days.items():
        rules.check(kind, each)
        await store.set_days(tx, kind, each)
    return await retention(tx)


async def due_counts(tx: Tx, *, now: datetime) -> dict[Forgotten, int]:
    """Return how many of each kind the next round will forget, counted up to 10,000: a round without its effects."""
    found = {each.kind: each for each in await retention(tx)}
    documents, messages = found[Forgotten.DOCUMENTS], found[Forgotten.MESSAGES]
    notices = found[Forgotten.PROVIDER_NOTICES]
    return {
        Forgotten.DOCUMENTS: await invoicing.old_documents(
            tx, on=now.date(), also_after=rules.issued_before(documents, now=now), limit=COUNT_MAX
        ),
        Forgotten.MESSAGES: await notifications.old_messages(
            tx, before=rules.before(messages, now=now) or now, limit=COUNT_MAX
        ),
        Forgotten.PROVIDER_NOTICES: await gateways.old_notices(
            tx, before=rules.before(notices, now=now) or now, limit=COUNT_MAX
        ),
    }


async def round_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Forget a batch of each kind for each tenant whose round is due; where there is more, its round goes on."""
    done = 0
    tenants = await identity.tenants(tx, ids=[ref.tenant_id for ref in refs])
    for ref in refs:
        every = EVERY_SANDBOX if tenants[ref.tenant_id].is_sandbox else EVERY
        if not await store.take_turn(tx, ref.tenant_id, now=now, next_at=now + every):
            continue
        await tx.narrow({ref.tenant_id})
        if await _round(tx, now=now):
            await store.come_again(tx, ref.tenant_id, at=now)
        await tx.narrow({each.tenant_id for each in refs})
        done += 1
    return done


async def _round(tx: Tx, *, now: datetime) -> bool:
    """Return whether there is more to do."""
    is_more = await invoicing.date_documents(tx, limit=BATCH) == BATCH
    for rule in await retention(tx):
        count, is_all, done_to = await _forget(tx, rule, now=now)
        await store.note(tx, rule.kind, forgotten=count, done_to=done_to, now=now)
        is_more = is_more or not is_all
    return is_more


async def _forget(tx: Tx, rule: Rule, *, now: datetime) -> tuple[int, bool, UUID | None]:
    """Forget a batch; return how many, whether that was all, and how far it went, of what is gone through in order."""
    before = rules.before(rule, now=now)
    if rule.kind is Forgotten.DOCUMENTS:
        count = await invoicing.forget_documents(
            tx, on=now.date(), also_after=before.date() if before else None, limit=BATCH, now=now
        )
        return count, count < BATCH, None
    assert before is not None, rule
    if rule.kind is Forgotten.USAGE_PROPERTIES:
        # A plan's period may be of years: what is billed by properties is billed first.
        before = min(before, await subscriptions.unbilled_use_since(tx) or before)
        count, last = await usage.cut_properties(tx, after=rule.done_to, before=rules.id_at(before), limit=BATCH)
        return count, last is None, last
    cut = notifications.cut_off if rule.kind is Forgotten.MESSAGES else gateways.cut_notices
    count = await cut(tx, before=before, limit=BATCH)
    return count, count < BATCH, None
