"""The table of who may do what: what it can say, and what it refuses to be read as."""

import pytest

from guilder.platform.auth.permission import PUBLIC, Permission
from guilder.platform.auth.principal import Role
from guilder.platform.http.access import BadAccessTable, Does, FieldRule, Viewer, read

HEAD = "method, path, scope, staff, customer, public, step_up, audited\n"
FIELD_HEAD = "object, field, does, staff, customer\n"
GOOD = "GET, /api/toys, toys:read, member, -, -, -, -\n"


def test_reads_every_column():
    table = read(
        f"# a comment\n\n{HEAD}GET,    /api/toys,     toys:read,  member, billing, -,   -,   yes\n"
        "DELETE, /api/toys/{id}, toys:write, admin,  -,       -,   yes, -\n"
        "GET,    /health,        -,          -,      -,       yes, -,   -\n",
        f"{FIELD_HEAD}ToyIn, price, sets, billing, -\nGET /api/toys, all, sets, member, admin\n",
    )
    assert table.endpoints == {
        ("GET", "/api/toys"): Permission("toys:read", Role.MEMBER, Role.BILLING, is_sensitive=True),
        ("DELETE", "/api/toys/{id}"): Permission("toys:write", Role.ADMIN, None, steps_up=True),
        ("GET", "/health"): PUBLIC,
    }
    assert table.fields == (
        FieldRule("ToyIn", "price", Does.SETS, Role.BILLING, None),
        FieldRule("GET /api/toys", "all", Does.SETS, Role.MEMBER, Role.ADMIN),
    )


@pytest.mark.shows("ASVS 8.1.1")
@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ("", None),
        (HEAD.replace("audited", "logged") + GOOD, "columns"),
        (HEAD + "GET, /api/toys, toys:read, member, -, -, -\n", "7 cells"),
        (HEAD + GOOD + GOOD, "twice"),
        (HEAD + GOOD.replace("GET", "FETCH"), "no endpoint"),
        (HEAD + GOOD.replace("/api/toys", "api/toys"), "no endpoint"),
        (HEAD + GOOD.replace("toys:read", "toys"), "no scope"),
        (HEAD + GOOD.replace("toys:read", "-"), "no scope"),
        (HEAD + GOOD.replace("member", "owner"), "no role"),
        (HEAD + GOOD.replace("member", "Member"), "no role"),
        (HEAD + GOOD.replace("member", ""), "no role"),
        (HEAD + GOOD.replace("member", "-"), "nobody"),
        (HEAD + GOOD.replace("-, -, -\n", "-, -, no\n"), "audited"),
        (HEAD + GOOD.replace("-, -, -, -\n", "-, true, -, -\n"), "public"),
        (HEAD + GOOD.replace("-, -, -, -\n", "-, yes, -, -\n"), "public asks nothing"),
        (HEAD + "GET, /x, -, -, -, yes, yes, -\n", "public asks nothing"),
    ],
)
def test_a_table_that_says_something_else_is_refused_with_its_line(endpoints: str, said: str | None):
    if said is None:
        assert read(endpoints).endpoints == {}
        return
    with pytest.raises(BadAccessTable, match=said) as refused:
        read(endpoints)
    assert str(refused.value).startswith("endpoints:")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ToyIn, price, sees, owner, -", "no role"),
        ("ToyIn, price, hears, member, -", "neither"),
        ("toy, price, sees, member, -", "no field"),
        ("ToyIn, Price, sees, member, -", "no field"),
        ("ToyIn, price, sees, member", "4 cells"),
        ("ToyIn, price, sees, member, -\nToyIn, price, sees, -, -", "twice"),
    ],
)
def test_a_row_about_a_field_is_refused_as_well(row: str, said: str):
    with pytest.raises(BadAccessTable, match=said):
        read(HEAD + GOOD, f"{FIELD_HEAD}{row}\n")


def test_who_a_rule_is_for():
    rule = FieldRule("ToyOut", "price", Does.SEES, Role.BILLING, None)
    assert [rule.is_for(Viewer(is_customers=False, role=role)) for role in Role] == [False, True, True]
    assert not any(rule.is_for(Viewer(is_customers=True, role=role)) for role in Role)


def test_two_tables_are_one_but_never_about_the_same_endpoint():
    one, other = read(HEAD + GOOD), read(HEAD + GOOD.replace("/api/toys", "/api/dolls"))
    assert set(one.beside(other).endpoints) == {("GET", "/api/toys"), ("GET", "/api/dolls")}
    assert one.beside(other).without("/api/dolls") == one
    with pytest.raises(BadAccessTable, match="twice"):
        one.beside(one)
