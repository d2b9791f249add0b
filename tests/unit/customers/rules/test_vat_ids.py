import pytest

from guilder.domain.customers.rules import vat_ids
from guilder.domain.customers.rules.vat_ids import BadVatId


@pytest.mark.parametrize(
    "right",
    [
        "",
        "DE136695976",
        "de 136 695 976",
        "NL004495445B01",
        "ATU12345675",
        "FR40303265045",
        "EL094259216",
        "GB980780684",
        "CHE-107.787.577 IVA",
        "CHE107787577",
        "NO995525828MVA",
        "US12-3456789",
        "AU 51 824 753 556",
    ],
)
def test_what_may_exist_passes(right):
    vat_ids.check(right)


@pytest.mark.parametrize(
    "wrong", ["DE136695977", "DE1", "NL004495445B0", "ATU12345674", "GB123456789", "CHE-107.787.578", "NO995525829MVA"]
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(BadVatId) as refused:
        vat_ids.check(wrong)
    assert refused.value.field == "vat_id"


@pytest.mark.parametrize(
    ("vat_id", "state"),
    [("DE136695976", "DE"), ("EL094259216", "GR"), ("DE136695977", None), ("GB980780684", None), ("", None)],
)
def test_the_member_state_is_that_of_a_valid_id(vat_id, state):
    assert vat_ids.member_state_of(vat_id) == state
