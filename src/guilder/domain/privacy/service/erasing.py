"""Erasing: when nothing stands in the way, everything that says who somebody was is destroyed, sealed or renamed.

The first step is one transaction: what stands in the way is looked for with the customer locked, the key is destroyed,
and every room forgets. The rest, which may be much, follows a batch at a time; each batch can be repeated.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime

from guilder.domain.customers import service as customers
from guilder.domain.customers.rules.aliases import alias_of
from guilder.domain.dunning import service as dunning
from guilder.domain.entitlements import service as entitlements
from guilder.domain.gateways import service as gateways
from guilder.domain.invoicing import service as invoicing
from guilder.domain.invoicing.rules.keeping import GROUND
from guilder.domain.notifications import service as notifications
from guilder.domain.orders import service as orders
from guilder.domain.payments import service as payments
from guilder.domain.privacy.events import PrivacyRequestDone
from guilder.domain.privacy.model import Kept, Matter, Request, RequestKind, State, Step
from guilder.domain.privacy.rules import erasing as rules
from guilder.domain.privacy.rules import lifecycle as moves
from guilder.domain.privacy.rules.erasing import Doing
from guilder.domain.privacy.service.exporting import want_removal
from guilder.domain.privacy.store import requests as store
from guilder.domain.subscriptions import service as subscriptions
from guilder.domain.usage import service as usage
from guilder.domain.webhooks import service as webhooks
from guilder.kernel import ids, lifecycle
from guilder.kernel.ids import Ref
from guilder.kernel.noun import replace
from guilder.platform.bus import forgetting as log
from guilder.platform.bus import outbox
from guilder.platform.db.tx import Tx
from guilder.platform.http import idempotency

WORDS_AT_ONCE = 200
READINGS_AT_ONCE = 5_000
ANSWERS_AT_ONCE = 500

# A step does a batch, and says where the next one begins; None: it is through.
Batch = Callable[[Tx, Request, datetime], Awaitable[str | None]]


async def carry_out_due(tx: Tx, *, refs: Sequence[Ref], now: datetime) -> int:
    """Take each request that is due one step further; return how many there were."""
    due = await store.lock_due(tx, refs, now=now)
    for request in due:
        await tx.narrow({request.tenant_id})
        await store.save(tx, await _next(tx, request, now=now), now=now)
    await tx.narrow({ref.tenant_id for ref in refs})
    return len(due)


async def look_again(tx: Tx, *, customers: Sequence[Ref], now: datetime) -> None:
    """Something of these customers is closed: what waits for it may go on."""
    await store.wake(tx, sorted(set(customers)), now=now)


async def seal_late(tx: Tx, *, buyers: Sequence[Ref], now: datetime) -> None:
    """Seal what is written on documents that were made for somebody after they were erased."""
    found = await customers.get(tx, refs=sorted(set(buyers)))
    for ref in sorted(ref for ref, each in found.items() if each.is_erased):
        while await invoicing.seal_words(tx, customer=ref, limit=WORDS_AT_ONCE, now=now):
            pass


async def member_left(tx: Tx, *, members: Sequence[Ref], now: datetime) -> None:
    """Destroy what the e-mail addresses of people who left the staff open with."""
    await tx.vault.destroy(tx, members, now=now)


async def _next(tx: Tx, request: Request, *, now: datetime) -> Request:
    if request.kind is RequestKind.EXPORT:  # its file is old
        await want_removal(tx, request, now=now)
        return replace(request, next_at=None)
    if request.state is State.WAITING:
        return await _begin(tx, request, now=now)
    step = Doing(request.step)
    if step is not Doing.ROOMS:
        done_to = await _BATCHES[step](tx, request, now)
        if done_to is not None:
            return replace(request, step_at=done_to, next_at=now)
    else:  # the sweep: rooms forget what came since
        await _forget_in_rooms(tx, request)
    following = rules.after(step)
    if following is not None:
        return replace(request, step=following.value, step_at="", next_at=now)
    return await _through(tx, request, now=now)


async def _begin(tx: Tx, request: Request, *, now: datetime) -> Request:
    customer = request.customer_ref
    found = (await customers.lock(tx, refs=[customer]))[customer]
    if request.ends_subscriptions:
        await orders.end_all(tx, customer=customer, now=now)
    matters = await _open_matters(tx, customer)
    if matters:
        return replace(request, waits_for=matters, next_at=now + moves.LOOK_AGAIN)
    begun = replace(
        request,
        state=lifecycle.take(moves.MOVES, request.state, Step.BEGIN),
        name="" if found.is_erased else found.organization_id,
        waits_for=(),
        step=Doing.WORDS.value,
        next_at=now,
    )
    await customers.erase(tx, refs=[customer], now=now)
    await store.forget_askers(tx, customer)
    await _forget_in_rooms(tx, begun)
    return replace(begun, asked_by="user" if begun.asked_by.startswith("user:") else begun.asked_by)


async def _through(tx: Tx, request: Request, *, now: datetime) -> Request:
    """The last batch is done. The first time, that is the answer; once more later, for what was on its way."""
    if request.state is State.DONE:
        return replace(request, name="", step="", step_at="", next_at=None)
    documents = [
        Kept("legal_documents", count, until, GROUND)
        for count, until in await invoicing.kept_documents(tx, customer=request.customer_ref)
    ]
    event = PrivacyRequestDone(
        tenant_id=request.tenant_id,
        request_id=request.id,
        customer_id=request.customer_id,
        kind=request.kind.value,
    )
    outbox.announce(tx, [event], now=now)
    return replace(
        request,
        state=lifecycle.take(moves.MOVES, request.state, Step.FINISH),
        kept=(*documents, *rules.ALWAYS_KEPT, rules.PROVIDERS),
        done_at=now,
        step=Doing.ROOMS.value,
        step_at="",
        next_at=now + moves.SWEEP_AFTER,
    )


async def _open_matters(tx: Tx, customer: Ref) -> tuple[Matter, ...]:
    found = [
        *await subscriptions.open_matters(tx, customer=customer),
        *await invoicing.open_matters(tx, customer=customer),
        *await payments.open_matters(tx, customer=customer),
        *await dunning.open_matters(tx, customer=customer),
    ]
    return tuple(Matter(what, id_) for what, id_ in found)


async def _forget_in_rooms(tx: Tx, request: Request) -> None:
    customer, alias, name = request.customer_ref, alias_of(request.customer_id), request.name
    await subscriptions.forget_customer(tx, customer=customer, alias=alias)
    await payments.forget_customer(tx, customer=customer)
    await gateways.forget_customer(tx, customer=customer)
    await invoicing.forget_customer(tx, customer=customer)
    await orders.forget_customer(tx, customer=customer, alias=alias, name=name)
    await dunning.forget_customer(tx, customer=customer)
    await entitlements.forget_customer(tx, customer=customer, alias=alias)
    await notifications.forget_customer(tx, customer=customer)
    await webhooks.forget_customer(tx, customer=customer, name=name, alias=alias)


async def _words(tx: Tx, request: Request, now: datetime) -> str | None:
    done = await invoicing.seal_words(tx, customer=request.customer_ref, limit=WORDS_AT_ONCE, now=now)
    return "" if done else None


async def _use(tx: Tx, request: Request, now: datetime) -> str | None:
    done = await usage.forget_properties(tx, customer=request.customer_ref, limit=READINGS_AT_ONCE)
    return "" if done else None


async def _log(tx: Tx, request: Request, now: datetime) -> str | None:
    day = await log.pseudonymise(
        tx,
        subject_id=request.customer_id,
        old=request.name,
        new=alias_of(request.customer_id),
        after=date.fromisoformat(request.step_at) if request.step_at else None,
    )
    return day.isoformat() if day else None


async def _answers(tx: Tx, request: Request, now: datetime) -> str | None:
    scope, _, key = request.step_at.partition("\n")
    page = await idempotency.forget(
        tx,
        tx.vault.ring,
        ids=[str(request.customer_id), ids.to_text("cus", request.customer_id)],
        name=request.name,
        after=(scope, key),
        limit=ANSWERS_AT_ONCE,
    )
    return "\n".join(page.after) if page.after else None


async def _files(tx: Tx, request: Request, now: datetime) -> str | None:
    for each in await store.of_customer(tx, request.customer_ref):
        if each.file_path and each.next_at is not None and each.next_at > now:
            await store.save(tx, replace(each, next_at=now, file_expires_at=now), now=now)
        elif (
            each.kind is RequestKind.EXPORT and each.state is State.RUNNING
        ):  # it may have put a file, and never said so
            await want_removal(tx, each, now=now)
    return None


_BATCHES: dict[Doing, Batch] = {
    Doing.WORDS: _words,
    Doing.USE: _use,
    Doing.LOG: _log,
    Doing.ANSWERS: _answers,
    Doing.FILES: _files,
}
