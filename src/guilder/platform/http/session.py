"""What a handler is given: the transaction of its request, the tenant's present, and who asks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import Response

from guilder.kernel.ids import CustomerId, TenantId
from guilder.platform.auth.principal import Principal
from guilder.platform.db.clocks import TenantClocks
from guilder.platform.db.database import Database
from guilder.platform.db.tx import Tx
from guilder.platform.http.calls import Caller, Made, tell_made, tell_made_together
from guilder.platform.http.gathering import Gatherings

log = structlog.get_logger("guilder.http")

Later = Callable[[], Awaitable[None]]
Look = Callable[[Tx, datetime], Awaitable[BaseModel | None]]


@dataclass(slots=True)
class RequestSession:
    """One request. Its transaction is committed by the edge after the handler returns; the handler never commits.

    It may run more than once (a clash with another transaction starts it again), so a handler does nothing outside
    the transaction; what should follow is given to `after_commit`.
    """

    tx: Tx
    now: datetime
    principal: Principal
    request_id: str
    base_url: str
    version: str
    prefer_wait_s: int = 0
    _later: list[Later] = field(default_factory=list)
    _look: Look | None = None

    @property
    def tenant_id(self) -> TenantId:
        return self.principal.tenant_id

    @property
    def customer_filter(self) -> CustomerId | None:
        """Return the only customer that this caller may see; None for the tenant's own, who see all."""
        return self.principal.customer_id

    def after_commit(self, work: Later) -> None:
        """Run `work` once the commit is known and the answer is sent. What it raises is logged, and nothing more."""
        self._later.append(work)

    def wait_for(self, look: Look) -> None:
        """If the caller prefers to wait (`Prefer: wait=N`), look again after the commit until there is an answer.

        `look` is called in short transactions of its own; the first answer other than None replaces the handler's.
        Without the preference, or when the time is up, the handler's own answer stands.
        """
        self._look = look

    @property
    def later(self) -> list[Later]:
        return self._later

    @property
    def look(self) -> Look | None:
        return self._look


@dataclass(frozen=True, slots=True)
class Visit:
    """One request without a transaction: for PUBLIC routes and those with `transaction=False`.

    The handler finds its tenant itself and opens its own transaction, as `visit.database.run(work, [tenant_id],
    actor="checkout", request_id=visit.request_id)`. `principal` is None on a PUBLIC route. What it gives to `gatherings`
    is written beside others', in a transaction that knows nothing of this request: `tell_together` has it recorded as a call.
    """

    database: Database
    clocks: TenantClocks
    now: datetime
    principal: Principal | None
    request_id: str
    base_url: str
    client_ip: str
    traceparent: str | None
    gatherings: Gatherings
    caller: Caller
    reason: str | None = None
    prefer_wait_s: int = 0


async def tell_together(tx: Tx, visits: Sequence[Visit], now: datetime) -> None:
    """Announce, in a transaction that was opened for all of them, that these calls were made."""
    plain = [Made(each.caller, each.request_id, None) for each in visits if each.reason is None]
    tell_made_together(tx, plain, status=None, now=now)
    for each in visits:
        if each.reason is not None:
            asked = {"reason": each.reason, "request_id": each.request_id}
            await tell_made(tx, each.caller, status=None, key=None, now=now, **asked)


async def _session(request: Request) -> RequestSession:
    session = request.scope.get("guilder.session")
    assert isinstance(session, RequestSession), "this route has no session: it is PUBLIC or has transaction=False"
    return session


async def _visit(request: Request) -> Visit:
    visit: Any = request.scope.get("guilder.visit")
    assert isinstance(visit, Visit)
    return visit


Session = Annotated[RequestSession, Depends(_session)]
Visiting = Annotated[Visit, Depends(_visit)]


def followed(answer: Response, later: list[Later]) -> Response:
    """Have done, when the answer is sent, what was given to `after_commit`."""
    if later:
        given: Later | None = answer.background
        answer.background = BackgroundTask(_run_later, ([given] if given else []) + list(later))
    return answer


async def _run_later(later: list[Later]) -> None:
    for work in later:
        try:
            await work()
        except Exception:
            log.exception("after_commit_failed")
