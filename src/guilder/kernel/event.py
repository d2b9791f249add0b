"""Events: facts in the past tense, made of ids and values, announced by the room that owns them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from guilder.kernel.ids import TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every fact carries.

    A subclass is a frozen dataclass with `slots=True, kw_only=True` and four class variables: `name` (dotted, past
    tense), `version`, `topic` (the stream it is announced on) and, where it is not the customer, `key` (the name of
    the field that orders it: events with the same key are heard in the order in which they were announced).
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    topic: ClassVar[str]
    key: ClassVar[str] = "customer_id"

    tenant_id: TenantId

    @property
    def stream(self) -> str:
        """Return the topic that this very event goes to."""
        if "{" not in self.topic:
            return self.topic
        return self.topic.format(gateway=getattr(self, "gateway", ""))

    @property
    def key_value(self) -> UUID:
        value = getattr(self, self.key)
        assert isinstance(value, UUID), (self.name, self.key, value)
        return value


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Message(Struct, Generic[E_co], frozen=True):
    """An event as it is heard: the fact, when it happened on its tenant's clock, and who caused it."""

    id: UUID
    event: E_co
    occurred_at: datetime
    actor: str
    request_id: str | None = None
    position: int = 0


def events_of(messages: Sequence[Message[E_co]]) -> list[E_co]:
    return [message.event for message in messages]
