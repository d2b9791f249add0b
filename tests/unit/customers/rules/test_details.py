import pytest

from guilder.domain.customers.model import Customer, CustomerChanges, CustomerKind
from guilder.domain.customers.rules.details import BadDetail, changed_by, checked
from guilder.domain.identity.rules.zones import UnknownTimeZone
from guilder.kernel import ids
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.noun import replace
from tests.support.builders.identity import NOW

ADA = Customer(
    tenant_id=TenantId(ids.new(NOW)),
    id=CustomerId(ids.new(NOW)),
    organization_id="org_1",
    kind=CustomerKind.PERSON,
    name="Ada",
    email="ada@lovelace.example",
    created_at=NOW,
)


def test_texts_are_trimmed():
    said = checked(replace(ADA, name=" Ada ", email=" ada@lovelace.example ", vat_id=" GB1 "))
    assert (said.name, said.email, said.vat_id) == ("Ada", "ada@lovelace.example", "GB1")


def test_an_address_may_be_unknown():
    assert checked(replace(ADA, email="")).email == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "x" * 201),
        ("email", "ada"),
        ("email", "a@b@c.example"),
        ("email", "a@" + "b" * 260 + ".example"),
        ("phone", "1" * 41),
        ("vat_id", "1" * 41),
        ("language", "English"),
        ("organization_id", ""),
        ("organization_id", "a/b"),
        ("organization_id", "a b"),
        ("organization_id", "x" * 256),
        ("metadata", {str(each): "" for each in range(51)}),
    ],
)
def test_what_is_not_of_its_form_is_refused_by_name(field, value):
    with pytest.raises(BadDetail) as refusal:
        checked(replace(ADA, **{field: value}))
    assert refusal.value.field == field


def test_a_zone_is_an_iana_name():
    with pytest.raises(UnknownTimeZone):
        checked(replace(ADA, time_zone="Mars/Olympus"))


def test_changes_name_only_what_is_different():
    after, changed = changed_by(ADA, CustomerChanges(name="Ada L.", email=ADA.email, language="de"))
    assert (after.name, after.language, after.phone) == ("Ada L.", "de", ADA.phone)
    assert changed == ("name", "language")


def test_no_changes_change_nothing():
    assert changed_by(ADA, CustomerChanges()) == (ADA, ())
