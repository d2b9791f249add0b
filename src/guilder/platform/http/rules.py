"""What a route declares about itself beyond its path: how it is served. Who may call it is in the access table."""

from dataclasses import dataclass

BODY_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """How the edge serves one route.

    `body_max` is in bytes. `raw_body` leaves the body alone but for its size (webhooks, forms, a batch read by
    msgspec). `transaction=False` authenticates, but opens none: the handler takes a `Visit` and opens its own.
    What is public never has one. `cost` is how many tokens a call takes from the caller's rate limit; 0 is never limited
    (health; a webhook, which a signature guards and whose sender comes from few addresses).
    `extra_query` lets unknown query parameters pass; None is: where the route is public.
    """

    body_max: int = BODY_MAX
    raw_body: bool = False
    transaction: bool = True
    cost: int = 1
    extra_query: bool | None = None
