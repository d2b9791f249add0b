"""Which of a customer's methods is tried when, which gives way, and which are the same card."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from guilder.domain.gateways.model import CardDetails
from guilder.domain.payments.model import MethodStatus, PaymentMethod

METHODS_MAX = 50


def fingerprint(account_id: UUID, card: CardDetails) -> str:
    """Return what one card of one account has alike however often it is saved; empty where nothing tells.

    Where the provider names the card itself, that; else brand, last four digits and expiry. A digest: nobody is found
    in another tenant's rows by it.
    """
    return _digest(account_id, card, card.fingerprint) or _shown(account_id, card)


def _shown(account_id: UUID, card: CardDetails) -> str:
    shown = (card.kind, card.brand, card.last4, str(card.exp_month), str(card.exp_year))
    return _digest(account_id, card, "|".join(shown) if card.last4 and card.exp_year else card.label)


def _digest(account_id: UUID, card: CardDetails, what: str) -> str:
    return hashlib.sha256(f"{account_id}|{card.kind}|{what}".encode()).hexdigest()[:32] if what else ""


def is_shown_as(method: PaymentMethod, card: CardDetails) -> bool:
    """Say whether a method shows this card already."""
    names = ("kind", "label", "brand", "last4", "exp_month", "exp_year")
    return all(getattr(method, name) == getattr(card, name) for name in names)


def twin_of(methods: Sequence[PaymentMethod], card: CardDetails, *, account_id: UUID) -> PaymentMethod | None:
    """Return the valid method that is the same card at the same account.

    One that was saved when its provider did not name cards is known by what is shown of it.
    """
    prints = {fingerprint(account_id, card), _shown(account_id, card)} - {""}
    return next(
        (
            each
            for each in methods
            if each.status is MethodStatus.VALID and each.fingerprint in prints and each.account_id == account_id
        ),
        None,
    )


def next_default(methods: Sequence[PaymentMethod]) -> PaymentMethod | None:
    """Return the one that is charged from now on, when the default is gone."""
    valid = [each for each in methods if each.status is MethodStatus.VALID]
    return min(valid, key=lambda each: each.rank, default=None)


def next_position(methods: Sequence[PaymentMethod]) -> int:
    """Return the place at the end."""
    return max((each.position for each in methods), default=-1) + 1


def gives_way(methods: Sequence[PaymentMethod]) -> PaymentMethod | None:
    """Return the method that makes room for another: first what cannot be charged, then what would be tried last.

    Never the default, nor one that is still being validated; None where there is nothing else.
    """
    others = [each for each in methods if not each.is_default and each.status is not MethodStatus.PENDING]
    return max(others, key=lambda each: (each.status is not MethodStatus.VALID, each.rank), default=None)


def placed(methods: Sequence[PaymentMethod], ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return every method's place: those that are named in their order, then the others as they stood."""
    named = {each: place for place, each in enumerate(ids)}
    rest = sorted((each for each in methods if each.id not in named), key=lambda each: (each.position, each.id))
    return named | {each.id: len(named) + place for place, each in enumerate(rest)}
