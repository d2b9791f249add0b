"""Refusals: what a caller may do wrong, by kind.

A verb defines its own refusal beside itself, as a subclass of one of these kinds with a stable `code`;
HTTP maps the kinds, and only the kinds, to statuses. What is our own mistake is an assertion, never a refusal.

    Refusal
    ├── Invalid          422  the input says something that cannot be; names the field
    ├── Malformed        400  the request cannot be read at all
    ├── Unauthenticated  401  we do not know who asks
    ├── Forbidden        403  we know who asks, and the answer is no
    ├── NotFound         404  no such thing, or not yours: the same answer for both
    ├── Conflict         409  right in itself, but not in the state things are in
    ├── TooLarge         413  more than we take at once
    ├── TooMany          429  more often than we take it
    └── Unavailable      503  not now; try again
"""

from typing import ClassVar


class Foreseen(Exception):
    """What can go wrong, and is told whole by its text: a command prints that, and no traceback."""


class Refusal(Foreseen):
    """An anticipated "no", with a stable code, a sentence for a person and the field at fault where there is one."""

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str = "", *, field: str | None = None, retry_after_s: int | None = None) -> None:
        self.detail = detail or (self.__doc__ or "").strip().split("\n")[0]
        self.field = field
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class Invalid(Refusal):
    """The input says something that cannot be."""

    code = "invalid"


class Malformed(Refusal):
    """The request cannot be read."""

    code = "malformed"


class Unauthenticated(Refusal):
    """The request carries no valid credentials."""

    code = "unauthenticated"


class Forbidden(Refusal):
    """These credentials do not allow this."""

    code = "forbidden"


class NotFound(Refusal):
    """There is no such thing."""

    code = "not_found"


class Conflict(Refusal):
    """This cannot be done in the state that things are in."""

    code = "conflict"


class TooLarge(Refusal):
    """This is more than is taken at once."""

    code = "too_large"


class TooMany(Refusal):
    """This is more often than is allowed."""

    code = "rate_limited"


class Unavailable(Refusal):
    """This cannot be served right now; try again."""

    code = "unavailable"
