"""The performer of `webhook.send`.

Whatever comes of an attempt is an outcome, which the message's own schedule answers: the intent is done with it. So no
breaker opens, and a tenant's retries are of its own time. Only a crash between call and record repeats an intent, with
the same message id.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from guilder.domain.webhooks import service
from guilder.domain.webhooks.model import Parcel, Report
from guilder.domain.webhooks.rules import signing
from guilder.kernel import ids
from guilder.kernel.ids import Ref
from guilder.platform.clock import Clock
from guilder.platform.db.tx import Tx
from guilder.platform.logging import mask_text
from guilder.platform.outside.http import Answer, Outbound, UnsafeUrl
from guilder.platform.outside.intents import CallFailed, Done, Intent, Limits, Verdict

# Longer than the 15 s that Outbound gives a call, so that it is Outbound that says what went wrong.
LIMITS = Limits(timeout_s=20.0, attempts_max=20, backoff_first_s=1.0, backoff_max_s=60.0)
ANSWER_KEPT_MAX = 2_048
ERROR_MAX = 300
_SENT = {"content-type": "application/json", "user-agent": "Guilder-Webhooks/1.0"}


class WebhookSending:
    """Sends messages. `local` calls this machine, too, and is None where nobody may ask for that: in production.

    `clock` dates signatures by the wall: a receiver compares them with its own clock, whatever a sandbox's says.
    """

    kind = service.SEND
    limits = LIMITS

    def __init__(self, *, public: Outbound, local: Outbound | None, clock: Clock) -> None:
        self._public = public
        self._local = local
        self._clock = clock

    async def load(self, tx: Tx, intents: Sequence[Intent], *, now: datetime) -> Sequence[Parcel | None]:
        found = await service.parcels(tx, refs=[_subject(intent) for intent in intents], now=now)
        return [found.get(_subject(intent)) for intent in intents]

    async def call(self, intent: Intent, request: Parcel, *, now: datetime) -> Report:
        began = self._clock.monotonic()
        answer: Answer | None = None
        error = ""
        try:
            answer = await self._post(request)
        except (CallFailed, UnsafeUrl, OSError) as failure:
            error = str(failure) or type(failure).__name__
        took_ms = int((self._clock.monotonic() - began) * 1_000)
        return _report(_subject(intent), answer, error, took_ms)

    async def record(self, tx: Tx, done: Sequence[Done[Parcel, Report]], *, now: datetime) -> Sequence[Verdict]:
        await service.record(tx, reports=[each.outcome or _lost(each) for each in done], now=now)
        return [Verdict.done() for _ in done]

    async def _post(self, parcel: Parcel) -> Answer:
        outbound = self._local if parcel.allows_loopback else self._public
        if outbound is None:
            raise CallFailed("this installation sends nothing to its own machine")
        body = parcel.message.body.encode()
        signed = signing.headers(
            parcel.secrets,
            message_id=ids.to_text("msg", parcel.message.id),
            timestamp=int(self._clock.now().timestamp()),
            body=body,
        )
        return await outbound.send("POST", parcel.url, headers={**_SENT, **signed}, content=body)


def _report(ref: Ref, answer: Answer | None, error: str, took_ms: int) -> Report:
    if answer is None:
        return Report(ref=ref, duration_ms=took_ms, error=_plain(error, ERROR_MAX))
    asked_s = answer.retry_after_s
    return Report(
        ref=ref,
        duration_ms=took_ms,
        status=answer.status,
        answer=_plain(answer.body[:ANSWER_KEPT_MAX].decode("utf-8", "replace"), ANSWER_KEPT_MAX),
        error="" if answer.is_ok else f"answered {answer.status}",
        retry_after=timedelta(seconds=asked_s) if asked_s is not None else None,
    )


def _lost(done: Done[Parcel, Report]) -> Report:
    """Say what is known of an attempt that broke off on our side."""
    reason = done.failure.reason if done.failure else "no outcome"
    return Report(ref=_subject(done.intent), duration_ms=0, error=_plain(reason, ERROR_MAX))


def _plain(text: str, length_max: int) -> str:
    """Keep what a tenant may read of a stranger's words: no secrets, no NUL, no more than so much."""
    return mask_text(text.replace("\x00", ""))[:length_max]


def _subject(intent: Intent) -> Ref:
    return Ref(intent.tenant_id, intent.subject_id)
