"""What HTTP says and hears of privacy."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.privacy.model import Consent, Forgotten, Kept, Matter, Request, RequestKind, Rule, State
from guilder.domain.privacy.rules.retention import DAYS_MAX
from guilder.kernel.ids import CustomerId
from guilder.platform.http.fields import IdOf, In, Instant, Out, Shape, Text

RequestRef = Annotated[UUID, IdOf("prq")]
ConsentRef = Annotated[UUID, IdOf("cst")]
CustomerRef = Annotated[CustomerId, IdOf("cus")]
CustomerName = Annotated[
    str, Field(strict=True, min_length=1, max_length=255, description="`cus_…`, a UUID, or the organization id.")
]
Words = Annotated[str, Text(2000, min=0)]
Purpose = Annotated[
    str,
    Shape(r"[a-z][a-z0-9_.-]{0,63}", "up to 64 small letters, digits and _ . -, a letter first"),
    Field(examples=["newsletter"]),
]
Days = Annotated[int | None, Field(ge=1, le=DAYS_MAX, description="null: as the rule has it.")]


class PrivacyRequestIn(In):
    customer: CustomerName
    kind: RequestKind
    reason: Words = ""
    end_subscriptions: Annotated[
        bool, Field(description="Before an erasure: end every subscription now, instead of waiting for its end.")
    ] = False


class GrantIn(In):
    end_subscriptions: bool = False


class RefusalIn(In):
    reason: Annotated[str, Text(2000)]
    legal_ground: Annotated[str, Text(500, min=0)] = ""


class CompletionIn(In):
    outcome: Annotated[str, Text(2000)]


class MatterOut(Out):
    what: str
    id: UUID


class KeptOut(Out):
    what: str
    count: int
    until: date | None
    ground: str


class PrivacyRequestOut(Out):
    """`waits_for`: what stands in the way of an erasure. `kept`: what was not forgotten, until when, and why."""

    id: RequestRef
    customer_id: CustomerRef
    kind: RequestKind
    state: State
    asked_by: str
    asked_at: datetime
    due_at: datetime
    granted_by: str
    end_subscriptions: bool
    reason: str
    outcome: str
    legal_ground: str
    waits_for: list[MatterOut]
    kept: list[KeptOut]
    done_at: datetime | None
    has_file: bool
    file_bytes: int | None
    file_expires_at: datetime | None


class ConsentIn(In):
    customer: CustomerName
    purpose: Purpose
    version: Annotated[str, Text(100)]
    is_given: bool
    at: Annotated[Instant | None, Field(description="When it was said; by default, now.")] = None
    proof: Annotated[Words, Field(description="How it is known: a form, a call, a double opt-in.")] = ""


class ConsentOut(Out):
    id: ConsentRef
    customer_id: CustomerRef
    purpose: str
    version: str
    is_given: bool
    at: datetime
    recorded_at: datetime
    recorded_by: str
    proof: str


class RetentionIn(In):
    """What is left out stays. Documents are kept for as long as the law wants in any case."""

    documents_days: Days = None
    messages_days: Days = None
    provider_notices_days: Days = None
    usage_properties_days: Days = None

    def from_wire(self) -> dict[Forgotten, int | None]:
        return {
            kind: getattr(self, f"{kind.value}_days")
            for kind in Forgotten
            if f"{kind.value}_days" in self.model_fields_set
        }


class RuleOut(Out):
    """`days` null: as long as the law wants. `due`: what the next round forgets, up to 10,000; null: not counted."""

    kind: Forgotten
    days: int | None
    days_min: int
    due: int | None
    last_run_at: datetime | None
    forgotten_last: int
    forgotten: int


def request_to_wire(request: Request) -> PrivacyRequestOut:
    return PrivacyRequestOut(
        id=request.id,
        customer_id=request.customer_id,
        kind=request.kind,
        state=request.state,
        asked_by=request.asked_by,
        asked_at=request.asked_at,
        due_at=request.due_at,
        granted_by=request.granted_by,
        end_subscriptions=request.ends_subscriptions,
        reason=request.reason,
        outcome=request.outcome,
        legal_ground=request.legal_ground,
        waits_for=[_matter(each) for each in request.waits_for],
        kept=[_kept(each) for each in request.kept],
        done_at=request.done_at,
        has_file=bool(request.file_path),
        file_bytes=request.file_bytes,
        file_expires_at=request.file_expires_at,
    )


def consent_to_wire(consent: Consent) -> ConsentOut:
    return ConsentOut(
        id=consent.id,
        customer_id=consent.customer_id,
        purpose=consent.purpose,
        version=consent.version,
        is_given=consent.is_given,
        at=consent.at,
        recorded_at=consent.recorded_at,
        recorded_by=consent.recorded_by,
        proof=consent.proof,
    )


def rule_to_wire(rule: Rule, due: int | None) -> RuleOut:
    return RuleOut(
        kind=rule.kind,
        days=rule.days,
        days_min=rule.days_min,
        due=due,
        last_run_at=rule.ran_at,
        forgotten_last=rule.forgotten_last,
        forgotten=rule.forgotten,
    )


def _matter(matter: Matter) -> MatterOut:
    return MatterOut(what=matter.what, id=matter.id)


def _kept(kept: Kept) -> KeptOut:
    return KeptOut(what=kept.what, count=kept.count, until=kept.until, ground=kept.ground)
