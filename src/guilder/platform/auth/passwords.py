"""Passwords as they are kept: argon2id (RFC 9106's second choice: 64 MiB, 3 passes), each with a salt of its own.

A hash takes 64 MiB and a good part of a second: it is made in a thread, two at a time, and who comes when fifty wait is
told to come again.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from guilder.kernel.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE_MAX = 2
WAITING_MAX = 50


class TooManySignIns(Unavailable):
    """Too many people sign in right now; try again in a moment."""

    code = "busy"


class Verdict(NamedTuple):
    """Whether a password is the right one, and whether its hash was made with parameters that are not ours any more."""

    is_right: bool
    is_outdated: bool = False


class Passwords:
    """Hashes and verifies."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._turn = asyncio.Semaphore(AT_ONCE_MAX)
        self._waiting = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """Return what is kept of a password: parameters, salt and hash in one text."""
        return await self._in_turn(self._hasher.hash, password)

    async def verify(self, password: str, *, kept: str | None) -> Verdict:
        """Compare a password with what is kept. With None, do the same work for nobody: the answer is no.

        :raises TooManySignIns: too many others are waiting
        """
        return await self._in_turn(self._verify, password, kept)

    async def _in_turn(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        if self._waiting >= WAITING_MAX:
            raise TooManySignIns(retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *given, **named)
        finally:
            self._waiting -= 1

    def _verify(self, password: str, kept: str | None) -> Verdict:
        # Made by the first who comes, whoever that is: it takes as long as a look.
        self._nobodys = self._nobodys or self._hasher.hash("nobody's")
        try:
            self._hasher.verify(kept or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return Verdict(is_right=False)
        return Verdict(
            is_right=kept is not None, is_outdated=kept is not None and self._hasher.check_needs_rehash(kept)
        )
