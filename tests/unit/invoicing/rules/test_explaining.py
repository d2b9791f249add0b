"""Every line says why it is what it is: its amount follows from its own record, and a sentence tells it."""

import ast
import re
from fractions import Fraction
from pathlib import Path

import pytest

import guilder
from guilder.domain.invoicing.model import LineKind, NewLine
from guilder.domain.invoicing.rules import explaining
from guilder.domain.invoicing.rules.explaining.words import PHRASES
from guilder.kernel.money import Money, round_half_up
from guilder.kernel.noun import replace
from guilder.platform.words import LANGUAGES, Speech
from tests.unit.invoicing.rules.every_line import CASES, FIVE, MIDDLE, SPRING, VAT, invoiced
from tests.unit.invoicing.rules.test_proration import JUNE, eur

INVOICES = {
    "plain": {},
    "with tax": {"rates": [VAT]},
    "discounted and taxed": {"rates": [VAT], "discounts": [SPRING, FIVE]},
    "price with tax": {"rates": [VAT], "discounts": [SPRING, FIVE], "is_inclusive": True},
    "exempt": {"rates": [VAT], "is_tax_exempt": True},
}


def explained(case, how, language="en"):
    said = dict(INVOICES[how])
    inclusive = said.pop("is_inclusive", False)
    lines = [replace(line, is_tax_inclusive=inclusive and line.tax is None) for line in CASES[case]]
    return explaining.explain_invoice(invoiced(lines, **said), Speech(language))


@pytest.mark.parametrize("how", INVOICES)
@pytest.mark.parametrize("case", CASES)
def test_its_amount_follows_from_what_it_says(case, how):
    found = explained(case, how)
    for each in found.lines:
        assert each.is_reproduced, each
        assert worked_out(each) == each.line.amount.minor, each
        assert each.rule in explaining.RULES


def worked_out(each):
    """Do the sum as a reader would, from what is told: nothing of the rules is asked."""
    left = price(each)
    for taken in each.discounts:
        assert taken.of.minor == left
        left -= taken.amount.minor
    return left - each.tax.amount.minor if each.tax.is_inclusive else left


def price(each):
    said = each.inputs
    if "split" in said:
        return said["split"]["part"]
    if "pays_for" in said:
        return -sum(part["amount"] for part in said["pays_for"])
    if "least" in said:
        missing = max(said["least"] - said["fees"] - said["use"], 0) - said["billed_before"]
        return max(missing, -said.get("left", 10**9))
    if each.rule in ("correction", "prepaid_credits_bought"):
        return each.price.minor  # somebody decided on it
    share = each.share.fraction if each.share else 1
    if each.tiers or "charge" in said:
        exact = sum((Fraction(step["subtotal"]) for step in each.tiers), start=Fraction(0))
        if each.rule.startswith("flat_fee"):
            return round_half_up(round_half_up(exact) * share)
        whole = min(round_half_up(exact), said.get("cap") or 10**9) - said.get("billed_before", 0)
        return max(round_half_up(whole * Fraction(*said.get("kept", (1, 1)))), -said.get("left", 10**9))
    if each.rule == "proration_credit":
        return -min(round_half_up(said["full_amount"] * share), said["left"])
    whole = said.get("full_amount", round_half_up(said["unit_amount"] * Fraction(said.get("quantity", 1))))
    return round_half_up(whole * share)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("case", CASES)
def test_a_sentence_tells_it_with_its_amount(case, language):
    for each in explained(case, "with tax", language).lines:
        shown = Speech(language).money(Money(abs(each.price.minor), "EUR"))
        assert shown in each.sentence, each.sentence
        assert each.sentence.endswith("."), each.sentence
        assert not re.search(r"\{|\}|\bNone\b|  ", each.sentence), each.sentence


@pytest.mark.parametrize("how", INVOICES)
@pytest.mark.parametrize("case", CASES)
def test_the_walk_leads_from_the_lines_to_what_is_to_be_paid(case, how):
    found = explained(case, how)
    walk = found.walk
    assert walk.before_discounts - walk.discount == walk.subtotal
    assert walk.subtotal.minor == sum(each.line.amount.minor for each in found.lines)
    assert sum(each.tax.minor for each in walk.taxes) == walk.tax.minor
    assert walk.subtotal + walk.tax == walk.total
    assert found.sentence.endswith(".")
    for each in walk.taxes:
        # Rounded once for prices with tax and once for those without; what is given back brings a whole tax of its own.
        assert abs(each.exact - each.tax.minor) <= 1, each


def test_every_kind_of_line_is_tried_here():
    assert {line.kind for lines in CASES.values() for line in lines} == set(LineKind)


def test_every_rule_that_bills_is_explained_and_tried_here():
    rules = written_rules()
    assert rules == set(explaining.RULES)
    assert rules == {line.explanation["rule"] for lines in CASES.values() for line in lines}


def written_rules():
    """Return the rules that are written into explanations anywhere: a new one has to be explained, or this fails."""
    found = set()
    for path in Path(guilder.__file__).parent.rglob("domain/invoicing/**/*.py"):
        if "explaining" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                found |= {
                    each.value
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value == "rule"
                    for each in ast.walk(value)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_why":
                found.add(node.args[0].value)
    return found


@pytest.mark.parametrize(
    ("rule", "amount"), [("proration_credit", -1_448), ("proration_charge", 1_448), ("flat_fee_in_advance", 3_000)]
)
def test_what_an_earlier_release_wrote_is_explained_too(rule, amount):
    said = {
        "rule": rule,
        "unit_amount": 3_000,
        "quantity": 1,
        "period": ["2026-06-01T00:00:00+00:00", "2026-07-01T00:00:00+00:00"],
    }
    if rule != "flat_fee_in_advance":
        share = JUNE.share_left(MIDDLE)
        said |= {
            "basis": "second",
            "full_amount": 3_000,
            "changed_at": MIDDLE.isoformat(),
            "share": [share.numerator, share.denominator],
            "rounding": "half_up",
        }
        amount = round_half_up(3_000 * share) * (1 if amount > 0 else -1)
    kind = LineKind(rule) if rule != "flat_fee_in_advance" else LineKind.RECURRING
    line = NewLine(kind=kind, description="Pro", amount=eur(amount), period=JUNE, billed_item="x", explanation=said)
    [each] = explaining.explain_invoice(invoiced([line]), Speech("en")).lines
    assert each.is_reproduced
    assert "Pro" in each.sentence
    assert (each.full_period == JUNE) is (rule != "flat_fee_in_advance")


def test_what_nobody_explains_says_what_it_said_of_itself():
    line = NewLine(
        kind=LineKind.CHARGE,
        description="X",
        amount=eur(5),
        billed_item="x",
        explanation={"rule": "new", "sentence": "Because."},
    )
    [each] = explaining.explain_invoice(invoiced([line]), Speech("en")).lines
    assert (each.sentence, each.price, each.is_reproduced) == ("Because.", eur(5), True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_phrase_with_the_same_words_in_it(language):
    said, english = PHRASES[language], PHRASES["en"]
    assert set(said) == set(english)
    for name, phrase in english.items():
        assert set(re.findall(r"\{(\w+)\}", phrase)) == set(re.findall(r"\{(\w+)\}", said[name])), name
        assert "  " not in said[name], name


@pytest.mark.parametrize(
    ("language", "spoken"), [("de", "de"), ("de-AT", "de-AT"), ("en-GB", "en-GB"), ("pt_BR", "pt_BR"), ("sv", "en")]
)
def test_other_languages_are_answered_in_english(language, spoken):
    assert explaining.spoken(language) == spoken


def test_it_reads_as_a_person_would_put_it():
    sentences = [plain(each) for each in explained("change by day", "with tax").lines]
    assert sentences == [
        (
            "Pro: from Jun 16, 2026 on, 15 of 30 days of the time that €30.00 was billed for is not used. €15.00 is given "
            "back. 19% tax goes with it: -€2.85."
        ),
        (
            "Big: from Jun 16, 2026 on, 15 of 30 days of the full period (Jun 1 – 30, 2026) at €50.00 is €25.00. 19% tax is "
            "added: €4.75."
        ),
    ]
    [german] = explained("graduated", "price with tax", "de").lines
    assert plain(german) == (
        "API calls, 1.–30. Juni 2026, 1.234,5 genutzt: 103 davon frei; 10 (bis 10) × 0,015 € = 0,15 €; 1.121,5 (über 10) × "
        "0,007 € und 3,00 € für die Stufe = 10,8505 €. Zusammen 11,0005 €, gerundet 11,00 €. Der Rabatt SPRING von 12,5 % "
        "zieht 1,38 € ab. Der Rabatt FIVE zieht 0,05 € ab. Der Preis enthält 19 % Steuer: 1,53 €."
    )
    [percentage] = explained("percentage", "plain").lines
    assert plain(percentage) == (
        "API calls, Jun 1 – 30, 2026, 12 used: €100.00 of that free; 1.75% of €1,134.56 = €19.8548; 12 events × €0.25 = "
        "€3.00. Together €22.8548, rounded to €22.85."
    )


def test_it_reads_as_a_person_would_put_it_in_other_languages_too():
    [french] = explained("graduated", "price with tax", "fr").lines
    assert plain(french) == (
        "API calls, 1–30 juin 2026, 1 234,5 utilisés : dont 103 gratuits; 10 (jusqu’à 10) × 0,015 € = 0,15 €; 1 121,5 "
        "(au-delà de 10) × 0,007 € et 3,00 € pour la tranche = 10,8505 €. Au total 11,0005 €, arrondi à 11,00 €. La remise "
        "SPRING de 12,5 % retire 1,38 €. La remise FIVE retire 0,05 €. Le prix comprend 19 % de taxe : 1,53 €."
    )
    for language in LANGUAGES:
        said = [plain(each) for each in explained("change by day", "with tax", language).lines]
        assert all(each[-1] in ".。" for each in said), said


def plain(explanation):
    return re.sub(r"[\u2009\xa0\u202f]", " ", explanation.sentence)
