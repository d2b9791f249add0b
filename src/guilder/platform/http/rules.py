"""What a route declares about itself beyond its path: how it is served. Who may call it is in the access table."""

from collections.abc import Mapping
from dataclasses import dataclass

from guilder.platform.http.gathering import Gathered, Looked

BODY_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """Answers to be kept for seconds, where processes share a cache: of a tenant's `room`, or of one thing in it.

    `by` is the parameter of the path that names the thing. Whoever changes it says so (`Tx.touch`) by the same words.
    """

    room: str
    seconds: int
    by: str | None = None

    def subject(self, path: Mapping[str, str]) -> str:
        """Name what an answer is about, as whoever changes it names it."""
        return self.room if self.by is None else f"{self.room}:{path[self.by]}"


@dataclass(frozen=True, slots=True)
class Rules:
    """How the edge serves one route.

    `body_max` is in bytes. `raw_body` leaves the body alone but for its size (webhooks, forms, a batch read by
    msgspec). `transaction=False` authenticates, but opens none: the handler takes a `Visit` and opens its own.
    What is public never has one. `cost` is how many tokens a call takes from the caller's rate limit; 0 is never limited
    (health; a webhook, which a signature guards and whose sender comes from few addresses).
    `may_lag` lets a read replica answer: a list, a history, a document; never what money is decided by.
    `kept` lets a GET be answered from a cache: never where an amount or a decision comes of it.
    `gathered` serves many requests of one caller in one transaction: never where one must not wait for another's rows.
    `looked` answers many questions of one caller by one look, ahead of the handler, which says what is refused.
    `is_direct` has a public handler asked ahead of FastAPI: of its visit, its request and the words of its path alone.
    `waits` lets a caller prefer to wait for what is done in the background; the handler says for what (`wait_for`).
    `extra_query` lets unknown query parameters pass; None is: where the route is public.
    """

    body_max: int = BODY_MAX
    raw_body: bool = False
    transaction: bool = True
    cost: int = 1
    extra_query: bool | None = None
    kept: Kept | None = None
    may_lag: bool = False
    gathered: Gathered | None = None
    looked: Looked | None = None
    is_direct: bool = False
    waits: bool = False

    def __post_init__(self) -> None:
        assert not (self.kept and self.may_lag), "what a replica read may be old already: it is not kept as well"
        assert not self.is_direct or (self.raw_body and not self.cost), "what is asked directly is limited by nothing"
        assert not (self.looked and (self.kept or self.may_lag)), "what is looked for together is answered as it is now"
