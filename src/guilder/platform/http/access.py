"""Who may do what: one table of role x endpoint, and one of role x field, read from text.

    method, path,           scope,         staff,   customer, public, step_up, audited
    GET,    /api/invoices,  invoices:read, member,  member,   -,      -,       -
    POST,   /api/refunds,   refunds:write, billing, -,        -,      yes,     -

    object,        field,    does, staff,   customer
    CustomerPatch, net_days, sets, billing, -
    PaymentOut,    route,    sees, member,  -

`staff` is the least role of keys and staff, `customer` of a customer's users, `-` is nobody. A field that has no row is
for everybody who may call. `object` is the name of a schema, and stands for what inherits from it, or an endpoint, whose
query is meant. This file reads; `guarding` applies it to an application, `withheld` to bodies and answers.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from guilder.kernel.noun import replace
from guilder.platform.auth.permission import PUBLIC, Permission
from guilder.platform.auth.principal import Kind, Principal, Role

Endpoint = tuple[str, str]  # method and path, as the OpenAPI document writes it

ENDPOINT_COLUMNS = ("method", "path", "scope", "staff", "customer", "public", "step_up", "audited")
FIELD_COLUMNS = ("object", "field", "does", "staff", "customer")
NOBODY = "-"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_SCOPE = re.compile(r"[a-z][a-z_]*:[a-z][a-z_]*")
_PATH = re.compile(r"/[A-Za-z0-9_{}./-]*")
_OBJECT = re.compile(r"[A-Z][A-Za-z0-9]*|[A-Z]+ /[A-Za-z0-9_{}./-]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")


class BadAccessTable(Exception):
    """The table says something that it cannot say; names the line."""


class Does(StrEnum):
    """What a row about a field is about."""

    SEES = "sees"
    SETS = "sets"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Those who are treated alike: the tenant's own or a customer's, of one role."""

    is_customers: bool
    role: Role

    @classmethod
    def of(cls, principal: Principal) -> "Viewer":
        return cls(principal.kind is Kind.CUSTOMER_USER, principal.role)


VIEWERS = tuple(Viewer(is_customers, role) for is_customers in (False, True) for role in Role)


@dataclass(frozen=True, slots=True)
class FieldRule:
    """From which role on a field is seen, or may be set; None is nobody."""

    object: str
    field: str
    does: Does
    staff: Role | None
    customer: Role | None

    def is_for(self, viewer: Viewer) -> bool:
        least = self.customer if viewer.is_customers else self.staff
        return least is not None and viewer.role.reaches(least)


@dataclass(frozen=True, slots=True)
class AccessTable:
    """`is_partial`: it is of a larger application than the one that it is given to, and what is not there is not missed."""

    endpoints: Mapping[Endpoint, Permission]
    fields: tuple[FieldRule, ...] = ()
    is_partial: bool = False

    def without(self, path: str) -> "AccessTable":
        """Return it without the endpoints of this path, and of what lies below it."""
        kept = {at: what for at, what in self.endpoints.items() if at[1] != path and not at[1].startswith(f"{path}/")}
        return replace(self, endpoints=kept)

    def beside(self, other: "AccessTable") -> "AccessTable":
        """Return both in one.

        :raises BadAccessTable: both say something of the same endpoint
        """
        twice = self.endpoints.keys() & other.endpoints.keys()
        if twice:
            raise BadAccessTable(f"{sorted(twice)}: is there twice")
        return replace(self, endpoints={**self.endpoints, **other.endpoints}, fields=self.fields + other.fields)


def read(endpoints: str, fields: str = "") -> AccessTable:
    """Read the two tables.

    :raises BadAccessTable: another column, an unknown word, a row that is there twice, or one that contradicts itself
    """
    found: dict[Endpoint, Permission] = {}
    for line, row in _rows(endpoints, ENDPOINT_COLUMNS, "endpoints"):
        endpoint = row["method"], row["path"]
        if endpoint in found:
            raise BadAccessTable(f"{line}: {' '.join(endpoint)} is there twice")
        found[endpoint] = _permission(row, line)
    rules: dict[tuple[str, str, Does], FieldRule] = {}
    for line, row in _rows(fields, FIELD_COLUMNS, "fields") if fields else ():
        rule = _rule(row, line)
        if (rule.object, rule.field, rule.does) in rules:
            raise BadAccessTable(f"{line}: {rule.object}.{rule.field} is there twice")
        rules[rule.object, rule.field, rule.does] = rule
    return AccessTable(found, tuple(rules.values()))


def _rows(text: str, columns: tuple[str, ...], name: str) -> Iterator[tuple[str, dict[str, str]]]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    cells = ([cell.strip() for cell in row] for row in csv.reader((line for _, line in lines), strict=True))
    for is_head, (number, _), row in zip([True] + [False] * len(lines), lines, cells, strict=False):
        if is_head and tuple(row) != columns:
            raise BadAccessTable(f"{name}:{number}: the columns are {', '.join(columns)}")
        if len(row) != len(columns):
            raise BadAccessTable(f"{name}:{number}: has {len(row)} cells, and needs {len(columns)}")
        if not is_head:
            yield f"{name}:{number}", dict(zip(columns, row, strict=True))


def _permission(row: dict[str, str], line: str) -> Permission:
    if row["method"] not in _METHODS or not _PATH.fullmatch(row["path"]):
        raise BadAccessTable(f"{line}: {row['method']} {row['path']} is no endpoint")
    steps_up, is_sensitive = _is(row, "step_up", line), _is(row, "audited", line)
    staff, customer = _role(row["staff"], line), _role(row["customer"], line)
    if _is(row, "public", line):
        if (row["scope"], staff, customer, steps_up, is_sensitive) != (NOBODY, None, None, False, False):
            raise BadAccessTable(f"{line}: what is public asks nothing of anybody")
        return PUBLIC
    if not _SCOPE.fullmatch(row["scope"]):
        raise BadAccessTable(f"{line}: {row['scope']!r} is no scope, such as invoices:read")
    if staff is None and customer is None:
        raise BadAccessTable(f"{line}: nobody may call it")
    return Permission(row["scope"], staff, customer, steps_up=steps_up, is_sensitive=is_sensitive)


def _rule(row: dict[str, str], line: str) -> FieldRule:
    if not _OBJECT.fullmatch(row["object"]) or not _FIELD.fullmatch(row["field"]):
        raise BadAccessTable(f"{line}: {row['object']}.{row['field']} is no field")
    if row["does"] not in set(Does):
        raise BadAccessTable(f"{line}: {row['does']!r} is neither sees nor sets")
    return FieldRule(
        row["object"], row["field"], Does(row["does"]), _role(row["staff"], line), _role(row["customer"], line)
    )


def _role(word: str, line: str) -> Role | None:
    if word == NOBODY:
        return None
    if word not in set(Role):
        raise BadAccessTable(f"{line}: {word!r} is no role, nor -")
    return Role(word)


def _is(row: dict[str, str], column: str, line: str) -> bool:
    if row[column] not in {"yes", NOBODY}:
        raise BadAccessTable(f"{line}: {column} is yes or -, not {row[column]!r}")
    return row[column] == "yes"
