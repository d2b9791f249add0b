import pytest

from guilder.domain.payments.rules.brands import brand_name, card_name


@pytest.mark.parametrize(
    ("brand", "name"),
    [
        ("visa", "Visa"),
        ("amex", "American Express"),
        ("jcb", "JCB"),
        ("eftpos_au", "eftpos"),
        ("some_new_brand", "Some New Brand"),
        ("UATP", "UATP"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_a_brand_is_called_what_stands_on_the_card(brand, name):
    assert brand_name(brand) == name


def test_a_card_is_called_by_its_brand_and_last_digits_as_far_as_they_are_known():
    assert card_name("mastercard", "4444") == "Mastercard •••• 4444"
    assert card_name("unknown", "4444") == "•••• 4444"
    assert card_name("visa", "") == "Visa"
    assert card_name("", "") == ""
