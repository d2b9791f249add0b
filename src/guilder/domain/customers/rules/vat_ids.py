"""VAT ids: those whose form is known are held to it, digits of proof included."""

from stdnum import exceptions
from stdnum.ch import uid as swiss
from stdnum.eu import vat as european
from stdnum.gb import vat as british
from stdnum.no import orgnr as norwegian

from guilder.kernel.errors import Invalid

# ISO 3166 codes. Greece writes its ids with EL; Northern Ireland (XI) counts as the EU's for goods alone.
MEMBER_STATES = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
_PREFIXES = {state: state for state in MEMBER_STATES if state != "GR"} | {"EL": "GR"}


class BadVatId(Invalid):
    """This VAT id cannot be: its form or its digits of proof are wrong."""

    code = "bad_vat_id"


def check(vat_id: str) -> None:
    """Let a VAT id pass that may exist. Those of countries that we do not know pass unchecked.

    :raises BadVatId: of the EU, Great Britain, Switzerland or Norway, and wrong
    """
    plain = _plain(vat_id)
    try:
        if plain[:2] in _PREFIXES or plain.startswith("XI"):
            european.validate(plain)
        elif plain.startswith("GB"):
            british.validate(plain)
        elif plain.startswith("CHE"):
            swiss.validate(_without(plain, "MWST", "TVA", "IVA", "TPV"))
        elif plain.startswith("NO") and plain[2:3].isdigit():
            norwegian.validate(_without(plain, "MVA")[2:])
    except exceptions.ValidationError as error:
        raise BadVatId(field="vat_id") from error


def member_state_of(vat_id: str) -> str | None:
    """Return the ISO code of the EU's member state that gave this id out; None if none did, or it cannot be."""
    plain = _plain(vat_id)
    state = _PREFIXES.get(plain[:2])
    return state if state is not None and european.is_valid(plain) else None


def is_member_state(country: str) -> bool:
    return country in MEMBER_STATES


def _without(plain: str, *endings: str) -> str:
    for ending in endings:
        plain = plain.removesuffix(ending)
    return plain


def _plain(vat_id: str) -> str:
    return "".join(letter for letter in vat_id.upper() if letter.isalnum())
