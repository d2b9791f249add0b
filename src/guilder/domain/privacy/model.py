"""Requests about a subject, what is kept of it and why, what it agreed to, and how long what is kept."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from guilder.kernel.ids import CustomerId, Ref, TenantId


class RequestKind(StrEnum):
    EXPORT = "export"  # GDPR Art. 15 and 20
    ERASURE = "erasure"  # Art. 17
    RECTIFICATION = "rectification"  # Art. 16: done by a person, and noted
    RESTRICTION = "restriction"  # Art. 18: likewise
    OBJECTION = "objection"  # Art. 21: likewise


class State(StrEnum):
    ASKED = "asked"  # a person of the tenant's has to look at it
    WAITING = "waiting"  # for what stands in the way, as `waits_for` says
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    CANCELED = "canceled"


class Step(StrEnum):
    GRANT = "grant"
    BEGIN = "begin"
    FINISH = "finish"
    REFUSE = "refuse"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that is not closed: `what` of which id."""

    what: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Kept:
    """What was not forgotten, until which day (None: for as long as the books are), and on what ground."""

    what: str
    count: int
    until: date | None
    ground: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request about a customer. `reason`: in whose words; `outcome`: what was answered; `step`: where an erasure is."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    kind: RequestKind
    state: State
    asked_by: str
    asked_at: datetime
    due_at: datetime
    granted_by: str = ""
    ends_subscriptions: bool = False
    reason: str = ""
    outcome: str = ""
    name: str = ""  # the organization id, while it is still looked for
    legal_ground: str = ""
    waits_for: tuple[Matter, ...] = ()
    kept: tuple[Kept, ...] = ()
    step: str = ""
    step_at: str = ""
    next_at: datetime | None = None
    done_at: datetime | None = None
    file_path: str = ""
    file_bytes: int | None = None
    file_expires_at: datetime | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.tenant_id, self.id)

    @property
    def customer_ref(self) -> Ref:
        return Ref(self.tenant_id, self.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a subject agreed to, or took back, at an instant. `version` of the text; `proof`: how it is known."""

    tenant_id: TenantId
    id: UUID
    customer_id: CustomerId
    purpose: str
    version: str
    is_given: bool
    at: datetime
    recorded_at: datetime
    recorded_by: str
    proof: str = ""


class Forgotten(StrEnum):
    """What is forgotten when it is old, as a tenant may set it."""

    DOCUMENTS = "documents"  # for whom invoices and credit notes were, and their files
    MESSAGES = "messages"  # what e-mails and texts said
    PROVIDER_NOTICES = "provider_notices"  # what providers' webhooks said
    USAGE_PROPERTIES = "usage_properties"  # what readings say beside what was counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long a tenant keeps a kind, and how its rounds went. `days` None, of documents: as long as the law wants."""

    kind: Forgotten
    days: int | None
    days_min: int
    ran_at: datetime | None = None
    forgotten: int = 0
    forgotten_last: int = 0
    done_to: UUID | None = None
