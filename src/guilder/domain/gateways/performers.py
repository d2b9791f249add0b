"""What the runner does about requests: one call to a provider at a time, none of them inside a transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from guilder.domain.gateways import service
from guilder.domain.gateways.model import (
    Call,
    Next,
    OpenAccount,
    Outcome,
    OutcomeKind,
    ProviderRecord,
    Reading,
    Registration,
    RequestKind,
    Turn,
)
from guilder.domain.gateways.port import Credentials, CredentialsRefused, Gateway
from guilder.domain.gateways.rules import asking
from guilder.kernel.ids import TenantId
from guilder.kernel.noun import replace
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, Performer, Verdict, usual

# Two calls of ten seconds each fit in: the look before, and the act.
LIMITS = Limits(timeout_s=25.0, attempts_max=1_000, is_paced=True)
BOOK_PAGES_MAX = 500


class _Asking:
    """What all requests have in common: loading, and recording what came of the call."""

    kind: str
    limits = LIMITS

    def __init__(self, gateways: Mapping[str, Gateway]) -> None:
        self._gateways = gateways

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Call | None]:
        return await service.load_calls(tx, wanted=intents, now=now)

    async def call(self, intent: Intent, request: Call, *, now: datetime) -> Outcome:
        credentials = credentials_of(request.account, now=now)
        # Whatever may have been begun before is looked for, before anything is asked for again.
        looks_first = intent.attempts > 1 or request.asked.tries > 0 or request.asked.sessions > 0
        outcome = await self.ask(
            self._gateways[request.account.account.gateway],
            credentials,
            request,
            step=intent.step,
            looks_first=looks_first,
        )
        if outcome.is_outage:
            # The breaker counts it; `record` makes it an unknown again.
            raise CallFailed(outcome.message or "no answer", retry_after_s=outcome.retry_after_s)
        return outcome

    async def ask(
        self, gateway: Gateway, credentials: Credentials, call: Call, *, step: str, looks_first: bool
    ) -> Outcome:
        raise NotImplementedError

    async def record(self, tx: Tx, done: Sequence[Done[Call, Outcome]], *, now: datetime) -> Sequence[Verdict]:
        refused = [each for each in done if isinstance(each.failure, CredentialsRefused)]
        known = [each for each in done if not isinstance(each.failure, CredentialsRefused)]
        turns = await service.record_calls(
            tx,
            results=[(each.intent, each.request, _outcome(each)) for each in known],
            refused=[each.request for each in refused],
            now=now,
        )
        verdicts = {each.intent.ref: _verdict(turn) for each, turn in zip(known, turns, strict=True)}
        # Who was refused is left to the clock: it asks again when the key may be good again.
        return [verdicts.get(each.intent.ref, Verdict.done()) for each in done]


class Charging(_Asking):
    """prepare -> commit -> confirm -> commit, and close what was declined; on session, a page instead of a confirm."""

    kind = "gateway.charge"

    async def ask(
        self, gateway: Gateway, credentials: Credentials, call: Call, *, step: str, looks_first: bool
    ) -> Outcome:
        request, key = call.asked.request, f"charge:{call.asked.request.business_key}"
        if step == asking.CLOSE:
            return await gateway.cancel(credentials, request, key=f"{key}:close:{call.asked.tries}")
        # A confirm follows its prepare at once: there is nothing to look for, unless it was tried before.
        is_known = step == asking.PREPARE and bool(request.provider_ref)
        found = await gateway.lookup(credentials, request) if looks_first or is_known else None
        if found is not None and not _waits(found, is_on_session=request.is_on_session):
            return found
        if step == asking.CONFIRM:
            return await gateway.confirm(credentials, request, key=f"{key}:confirm")
        if found is not None and found.is_approved and request.is_on_session:
            # The page is done with. It was looked at just now: a charge that was taken back never gets here.
            agreed = replace(request, provider_ref=found.provider_ref)
            return await gateway.confirm(credentials, agreed, key=f"{key}:confirm")
        prepared = found or await gateway.prepare(credentials, request, key=key)
        if not request.is_on_session or not _waits(prepared, is_on_session=True):
            return prepared
        opened = replace(request, provider_ref=prepared.provider_ref)
        return await gateway.open_page(credentials, opened, key=f"{key}:page:{call.asked.sessions}:{call.asked.tries}")


class Canceling(_Asking):
    """Close a charge's object, wherever its charge stands. No object, and none can be confirmed any more: canceled."""

    kind = "gateway.cancel"

    async def ask(
        self, gateway: Gateway, credentials: Credentials, call: Call, *, step: str, looks_first: bool
    ) -> Outcome:
        request = call.asked.request
        ref = (call.charge.request.provider_ref if call.charge else "") or request.provider_ref
        if not ref or looks_first:
            found = await gateway.lookup(credentials, replace(request, provider_ref=ref))
            if found is None and not ref:
                return Outcome(kind=OutcomeKind.CANCELED)
            if found is not None and found.kind in {OutcomeKind.SUCCEEDED, OutcomeKind.CANCELED, OutcomeKind.UNKNOWN}:
                return found
            # One that is known and is not found may lie elsewhere: only its provider can say that it has lapsed.
            ref = found.provider_ref if found is not None and found.provider_ref else ref
        key = f"cancel:{request.business_key}:{call.asked.sessions}:{call.asked.tries}"
        said = await gateway.cancel(credentials, replace(request, provider_ref=ref), key=key)
        # Refused, and so not closed: it is looked at again, for nothing may follow before it is.
        return replace(said, kind=OutcomeKind.UNKNOWN) if said.kind is OutcomeKind.DECLINED else said


class Refunding(_Asking):
    kind = "gateway.refund"

    async def ask(
        self, gateway: Gateway, credentials: Credentials, call: Call, *, step: str, looks_first: bool
    ) -> Outcome:
        request = call.asked.request
        found = await gateway.lookup_refund(credentials, request) if looks_first else None
        if found is None and call.done is not None:
            return Outcome(kind=OutcomeKind.SUCCEEDED, provider_ref=call.done.provider_ref, amount=call.done.amount)
        return found or await gateway.refund(credentials, request, key=f"refund:{request.business_key}")


class SettingUp(_Asking):
    kind = "gateway.setup"

    async def ask(
        self, gateway: Gateway, credentials: Credentials, call: Call, *, step: str, looks_first: bool
    ) -> Outcome:
        request, key = call.asked.request, f"setup:{call.asked.request.business_key}"
        found = await gateway.lookup_setup(credentials, request) if looks_first else None
        if found is not None and not _waits(found, is_on_session=request.is_on_session):
            return found
        if found is None or found.is_approved or not request.is_on_session:
            found = await gateway.setup(credentials, request, key=key)
        if not request.is_on_session or not _waits(found, is_on_session=True):
            return found
        opened = replace(request, provider_ref=found.provider_ref)
        return await gateway.open_page(credentials, opened, key=f"{key}:page:{call.asked.sessions}:{call.asked.tries}")


class Connecting:
    """Tell the provider our webhook address and its secret."""

    kind = service.CONNECT
    limits = Limits(timeout_s=15.0, attempts_max=20, backoff_max_s=60.0)

    def __init__(self, gateways: Mapping[str, Gateway], *, public_url: str) -> None:
        self._gateways = gateways
        self._public_url = public_url.rstrip("/")

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[OpenAccount | None]:
        return await service.load_connections(tx, wanted=intents)

    async def call(self, intent: Intent, request: OpenAccount, *, now: datetime) -> Registration:
        account = request.account
        registration = await self._gateways[account.gateway].register_webhook(
            credentials_of(request, now=now),
            url=f"{self._public_url}/api/webhooks/{account.gateway}/{account.endpoint_id}",
            secret=request.endpoint_secret,
        )
        if registration.kind is not OutcomeKind.SUCCEEDED:
            raise CallFailed(registration.message or "not registered", is_outage=registration.is_outage)
        return registration

    async def record(
        self, tx: Tx, done: Sequence[Done[OpenAccount, Registration]], *, now: datetime
    ) -> Sequence[Verdict]:
        connected = [(each.request.account, each.outcome) for each in done if each.outcome is not None]
        if connected:
            await service.record_connections(tx, connected=connected, now=now)
        return [usual(each) for each in done]


class ReadingBooks:
    """Read a provider's own books over a time, page by page, and go on until now is reached."""

    kind = service.BOOKS
    limits = Limits(timeout_s=60.0, attempts_max=20, backoff_max_s=600.0)

    def __init__(self, gateways: Mapping[str, Gateway]) -> None:
        self._gateways = gateways

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Reading | None]:
        return await service.load_readings(tx, wanted=intents, now=now)

    async def call(self, intent: Intent, request: Reading, *, now: datetime) -> list[ProviderRecord]:
        gateway, credentials = self._gateways[request.account.account.gateway], credentials_of(request.account, now=now)
        records: dict[tuple[RequestKind, str], ProviderRecord] = {}
        cursor = ""
        for _ in range(BOOK_PAGES_MAX):
            page = await gateway.records(credentials, since=request.since, until=request.until, cursor=cursor)
            for each in page.records:
                known = records.get((each.kind, each.provider_ref))
                # One object may have been tried several times: what came last is how it stands.
                if known is None or known.at <= each.at:
                    records[each.kind, each.provider_ref] = each
            if not page.cursor:
                return list(records.values())
            cursor = page.cursor
        raise CallFailed(f"more than {BOOK_PAGES_MAX} pages in one reading", is_outage=False)

    async def record(
        self, tx: Tx, done: Sequence[Done[Reading, list[ProviderRecord]]], *, now: datetime
    ) -> Sequence[Verdict]:
        read = [each for each in done if each.outcome is not None]
        more = await service.record_readings(tx, read=[(each.request, each.outcome or []) for each in read], now=now)
        goes_on = {each.intent.ref for each, has_more in zip(read, more, strict=True) if has_more}
        return [Verdict.again(after_s=0) if each.intent.ref in goes_on else usual(each) for each in done]


def performers(
    gateways: Mapping[str, Gateway], *, public_url: str
) -> list[Performer[Call, Outcome] | Connecting | ReadingBooks]:
    """Return what performs every kind of intent of this room."""
    return [
        Charging(gateways),
        Canceling(gateways),
        Refunding(gateways),
        SettingUp(gateways),
        Connecting(gateways, public_url=public_url),
        ReadingBooks(gateways),
    ]


async def is_idle(database: Database, gateways: Mapping[str, Gateway], *, tenant_id: TenantId, now: datetime) -> bool:
    """Tell whether no notice to this tenant is on its way any more. Not to be called inside a transaction."""
    async with database.transaction([tenant_id], actor="rest check") as tx:
        opened = await service.open_accounts(tx)
    for each in opened:
        gateway, name = gateways.get(each.account.gateway), each.account.provider_account
        if gateway is None or not name:
            continue
        if not await gateway.is_idle(credentials_of(each, now=now), account=name):
            return False
    return True


def credentials_of(account: OpenAccount, *, now: datetime) -> Credentials:
    return Credentials(
        secret_key=account.secret_key,
        settings=account.account.settings,
        now=now if account.account.is_on_own_clock else None,
    )


def _waits(outcome: Outcome, *, is_on_session: bool) -> bool:
    """Say whether an object exists on which something is still to be done: a decline on a page is not its end."""
    if outcome.kind is OutcomeKind.DECLINED:
        return is_on_session and bool(outcome.provider_ref)
    return outcome.kind is OutcomeKind.REQUIRES_ACTION


def _outcome(done: Done[Call, Outcome]) -> Outcome:
    if done.outcome is not None:
        return done.outcome
    assert done.failure is not None, done
    return Outcome(
        kind=OutcomeKind.UNKNOWN,
        message=done.failure.reason,
        is_outage=True,
        retry_after_s=None if done.failure.retry_after_s is None else int(done.failure.retry_after_s),
    )


def _verdict(turn: Turn) -> Verdict:
    match turn.next:
        case Next.STEP:
            return Verdict.next(turn.step)
        case Next.AGAIN:
            return Verdict.again(after_s=turn.after_s)
        case Next.DONE:
            return Verdict.done()
