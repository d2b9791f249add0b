"""What HTTP says and hears of routes: where payments go that are bound to no account."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from guilder.domain.payments.model import Route, Target
from guilder.domain.payments.rules.routing import Choice, Wish
from guilder.domain.payments.schemas.methods import Kind
from guilder.domain.payments.schemas.payments import AccountRef
from guilder.domain.payments.service.routing import ROUTES_MAX
from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.platform.http.fields import (
    CountryCode,
    CurrencyCode,
    IdOf,
    In,
    Name,
    NonNegativeAmount,
    Out,
    PositiveAmount,
)

RouteRef = Annotated[UUID, IdOf("rte")]
Weight = Annotated[int, Field(strict=True, ge=1, le=100)]
TARGETS_MAX = 20


class TargetIn(In):
    gateway_account_id: AccountRef
    weight: Weight = 1


class ConditionsIn(In):
    """What is left out fits anything. Amounts are minor units of one currency: `from` is in, `to` is not."""

    method_kinds: Annotated[list[Kind], Field(max_length=20)] = []
    currencies: Annotated[list[CurrencyCode], Field(max_length=50)] = []
    countries: Annotated[list[CountryCode], Field(max_length=260)] = []
    amount_from: NonNegativeAmount | None = None
    amount_to: PositiveAmount | None = None


class RouteIn(In):
    name: Name
    is_active: bool = True
    conditions: ConditionsIn = ConditionsIn()
    targets: Annotated[list[TargetIn], Field(min_length=1, max_length=TARGETS_MAX)]

    def to_model(self, now: datetime) -> Route:
        on = self.conditions
        return Route(
            id=ids.new(now),
            name=self.name,
            is_active=self.is_active,
            method_kinds=frozenset(on.method_kinds),
            currencies=frozenset(on.currencies),
            countries=frozenset(on.countries),
            amount_from=on.amount_from,
            amount_to=on.amount_to,
            targets=tuple(Target(account_id=each.gateway_account_id, weight=each.weight) for each in self.targets),
        )


class RoutesIn(In):
    """All of them, in their order: the first that fits is taken."""

    routes: Annotated[list[RouteIn], Field(max_length=ROUTES_MAX)]


class PreviewIn(In):
    amount: PositiveAmount
    currency: CurrencyCode
    country: CountryCode | None = None
    method_kind: Kind | None = None

    def to_model(self) -> Wish:
        return Wish(
            amount=Money(self.amount, self.currency), country=self.country or "", method_kind=self.method_kind or ""
        )


class TargetOut(Out):
    gateway_account_id: AccountRef
    weight: int


class ConditionsOut(Out):
    method_kinds: list[str]
    currencies: list[str]
    countries: list[str]
    amount_from: int | None
    amount_to: int | None


class RouteOut(Out):
    id: RouteRef
    name: str
    is_active: bool
    conditions: ConditionsOut
    targets: list[TargetOut]


class StopOut(Out):
    gateway_account_id: AccountRef
    gateway: str
    name: str
    why: str


class PreviewOut(Out):
    """Where it would go, best first. Of a route's targets it is one draw: another payment may be drawn otherwise."""

    route: str | None
    accounts: list[StopOut]


def route_to_wire(route: Route) -> RouteOut:
    return RouteOut(
        id=route.id,
        name=route.name,
        is_active=route.is_active,
        conditions=ConditionsOut(
            method_kinds=sorted(route.method_kinds),
            currencies=sorted(route.currencies),
            countries=sorted(route.countries),
            amount_from=route.amount_from,
            amount_to=route.amount_to,
        ),
        targets=[TargetOut(gateway_account_id=each.account_id, weight=each.weight) for each in route.targets],
    )


def choice_to_wire(choice: Choice) -> PreviewOut:
    return PreviewOut(
        route=choice.route or None,
        accounts=[
            StopOut(gateway_account_id=each.id, gateway=each.gateway, name=each.name, why=choice.why[each.id])
            for each in choice.accounts
        ],
    )
