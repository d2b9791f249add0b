from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from guilder.kernel import ids
from guilder.kernel.money import Money
from guilder.kernel.noun import replace


@dataclass(frozen=True, slots=True)
class Said:
    word: str
    times: int = 1


def test_copies_a_noun_of_either_kind_but_for_what_is_changed():
    assert replace(Said("no", 3), word="yes") == Said("yes", 3)
    assert replace(Money(300, "EUR"), minor=5) == Money(5, "EUR")


def test_a_copy_holds_to_what_its_kind_holds_to():
    with pytest.raises(AssertionError):
        replace(Money(300, "EUR"), currency="XXX")


def test_refuses_a_field_that_there_is_not():
    for noun in (Said("no"), Money(300, "EUR")):
        with pytest.raises(TypeError):
            replace(noun, colour="red")


def test_neither_kind_can_be_changed():
    with pytest.raises(FrozenInstanceError):
        Said("no").word = "yes"
    with pytest.raises(AttributeError):
        Money(300, "EUR").minor = 5


def test_an_id_is_a_uuid_to_whoever_asks():
    made = ids.new(datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(made, UUID)
    assert made == UUID(str(made))
    assert hash(made) == hash(UUID(str(made)))
    assert made.version == 7
