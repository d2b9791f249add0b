"""The sentence of a line: what a customer would understand, in the invoice's language."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from guilder.domain.invoicing.model import Line
from guilder.domain.invoicing.rules.document import Speaker
from guilder.domain.invoicing.rules.explaining.reading import (
    Said,
    Share,
    TakenOff,
    TaxReason,
    full_period_of,
    rule_of,
    share_of,
)
from guilder.domain.invoicing.rules.explaining.reckoning import RULES, price_of, step_amount, walked
from guilder.domain.invoicing.rules.explaining.words import phrases
from guilder.kernel.currency import exponent
from guilder.kernel.money import Money, round_half_up
from guilder.kernel.period import Period

_DIGITS_SHOWN = 10**6
_MONEY_BOUNDS = frozenset({"percent_tier"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A line, and how its reader's language and calendar put things."""

    line: Line
    speaker: Speaker
    zone: ZoneInfo

    def say(self, phrase: str, **words: str) -> str:
        return phrases(self.speaker.language)[phrase].format(**words)

    @property
    def said(self) -> Said:
        return self.line.explanation

    @property
    def name(self) -> str:
        said = self.said
        values = ", ".join(f"{key} {value or '-'}" for key, value in dict(said.get("group") or {}).items())
        name = str(said.get("plan_name") or said.get("name") or self.line.description)
        return f"{name} ({values})" if values else name

    def money(self, minor: int) -> str:
        return self.speaker.money(Money(minor, self.line.amount.currency))

    def exact(self, minor: Fraction) -> str:
        """Write an amount with all its digits; six of them, and that they are not all, where a decimal cannot hold it."""
        major = minor / 10 ** exponent(self.line.amount.currency)
        shown = Fraction(round(major * _DIGITS_SHOWN), _DIGITS_SHOWN)
        text = self.speaker.price(_decimal(shown), self.line.amount.currency)
        return text if shown == major else self.say("about", amount=text)

    def number(self, value: object) -> str:
        shown = Fraction(round(Fraction(str(value)) * _DIGITS_SHOWN), _DIGITS_SHOWN)
        return self.speaker.number(_decimal(shown))

    def percent(self, percent: object) -> str:
        return self.speaker.percent(Decimal(str(percent)) / 100)

    def day(self, at: object) -> str:
        return self.speaker.day(self._date(datetime.fromisoformat(str(at))))

    def days(self, period: Period | None) -> str:
        if period is None:
            return ""
        first, after = self._date(period.starts_at), self._date(period.ends_at)
        return self.speaker.days(first, max(first, after - timedelta(days=1)))

    def share(self, share: Share) -> str:
        if share.unit in ("day", "day_30"):
            counted = {"numerator": str(share.numerator), "denominator": str(share.denominator)}
            return self.say(f"share_{share.unit}", **counted)
        return self.speaker.percent(_decimal(Fraction(round(share.fraction * 10_000), 10_000)))

    def _date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


def sentence(telling: Telling, discounts: Sequence[TakenOff], tax: TaxReason) -> str:
    """Say how the amount came about, then what discounts took off it, then its tax."""
    rule = rule_of(telling.line)
    tell = SENTENCES.get(rule)
    words = tell(telling) if tell else [_unknown(telling)]
    return " ".join([*words, *(_discount(telling, each) for each in discounts), *_tax(telling, tax)])


def _unknown(telling: Telling) -> str:
    """Say of a rule that nobody explains what it said of itself."""
    said = str(telling.said.get("sentence", ""))
    return said or telling.say("plain", name=telling.name, amount=telling.money(price_of(telling.line).minor))


def _fee(telling: Telling) -> list[str]:
    said, price = telling.said, _fee_price(telling)
    share, full = share_of(telling.line), full_period_of(telling.line)
    is_part = share is not None and share.fraction != 1
    price = telling.say("for_full", price=price) if is_part else price
    words = [telling.say("fee", name=telling.name, days=telling.days(telling.line.period), price=price)]
    if share is not None and full is not None and is_part:
        amount = telling.money(price_of(telling.line).minor)
        words.append(telling.say("part", share=telling.share(share), full_days=telling.days(full), amount=amount))
    is_advance = said["rule"] == "flat_fee_in_advance"
    return [*words, telling.say("in_advance" if is_advance else "in_arrears")]


def _fee_price(telling: Telling) -> str:
    said = telling.said
    quantity, each = said["quantity"], said["unit_amount"]
    if said.get("steps"):
        full = telling.money(round_half_up(walked(said["steps"])))
        return telling.say("fee_walk", quantity=telling.number(quantity), walk=_walk(telling), amount=full)
    if quantity == 1:
        return telling.money(each)
    return telling.say(
        "fee_each",
        quantity=telling.number(quantity),
        each=telling.money(each),
        amount=telling.money(each * quantity),
    )


def _once(telling: Telling) -> list[str]:
    return [telling.say("once", name=telling.name, price=_times(telling))]


def _by_hand(telling: Telling) -> list[str]:
    return [telling.say("plain", name=telling.name, amount=_times(telling))]


def _times(telling: Telling) -> str:
    said, quantity = telling.said, telling.said.get("quantity", 1)
    price = telling.money(price_of(telling.line).minor)
    if Fraction(quantity) == 1:
        return price
    each = telling.exact(Fraction(said["unit_amount"]))
    return telling.say("fee_each", quantity=telling.number(quantity), each=each, amount=price)


def _credit(telling: Telling) -> list[str]:
    said, share = telling.said, share_of(telling.line)
    assert share is not None, telling.line
    back = -price_of(telling.line).minor
    words = telling.say(
        "credit_all" if share.fraction == 1 else "credit",
        name=telling.name,
        day=telling.day(said["changed_at"]),
        share=telling.share(share),
        billed=telling.money(said["full_amount"]),
        back=telling.money(back),
    )
    is_capped = back < round_half_up(said["full_amount"] * share.fraction)
    return [words, telling.say("capped", left=telling.money(said["left"]))] if is_capped else [words]


def _charge(telling: Telling) -> list[str]:
    said, share, full = telling.said, share_of(telling.line), full_period_of(telling.line)
    assert share is not None, telling.line
    return [
        telling.say(
            "charge_all" if share.fraction == 1 else "charge",
            name=telling.name,
            day=telling.day(said["changed_at"]),
            share=telling.share(share),
            full_days=telling.days(full),
            price=telling.money(said["full_amount"]),
            amount=telling.money(price_of(telling.line).minor),
        )
    ]


def _reinstated(telling: Telling) -> list[str]:
    amount = telling.money(price_of(telling.line).minor)
    return [telling.say("reinstated", name=telling.name, day=telling.day(telling.said["changed_at"]), amount=amount)]


def _use(telling: Telling) -> list[str]:
    said, days = telling.said, telling.days(telling.line.period)
    steps: Sequence[Said] = said["steps"]
    exact = walked(steps)
    rated = round_half_up(exact)
    words = [
        telling.say("use", name=telling.name, days=days, quantity=telling.number(said["quantity"]), walk=_walk(telling))
    ]
    if not steps:
        words = [telling.say("use_none", name=telling.name, days=days)]
    if exact != rated:
        words.append(telling.say("rounded", exact=telling.exact(exact), amount=telling.money(rated)))
    elif len(steps) > 1:
        words.append(telling.say("sum", exact=telling.money(rated)))
    if said.get("cap") is not None and rated > said["cap"]:
        words.append(telling.say("at_most", cap=telling.money(said["cap"])))
        rated = said["cap"]
    words += _before(telling, rated)
    if "split" in said:
        words.append(telling.say("split", part=telling.money(said["split"]["part"])))
    return [*words, telling.say("late")] if said["rule"] == "late_use" else words


def _before(telling: Telling, rated: int) -> list[str]:
    said = telling.said
    before = said.get("billed_before", 0)
    if not before:
        return []
    difference = rated - before
    told = {"before": telling.money(before), "difference": telling.money(difference)}
    invoice = str(said.get("billed_on", ""))
    words = [telling.say("before_on", invoice=invoice, **told) if invoice else telling.say("before", **told)]
    if "left" in said:
        words.append(telling.say("left", amount=telling.money(said["left"])))
    elif "kept" in said:
        words.append(telling.say("kept", amount=telling.money(price_of(telling.line).minor)))
    return words


def _commitment(telling: Telling) -> list[str]:
    said = telling.said
    missing = max(said["least"] - said["fees"] - said["use"], 0)
    words = telling.say(
        "commitment",
        name=telling.name,
        days=telling.days(telling.line.period),
        least=telling.money(said["least"]),
        fees=telling.money(said["fees"]),
        use=telling.money(said["use"]),
        missing=telling.money(missing),
    )
    return [words, *_before(telling, missing)]


def _prepaid(telling: Telling) -> list[str]:
    return [telling.say("prepaid", name=telling.name, amount=telling.money(-price_of(telling.line).minor))]


def _correction(telling: Telling) -> list[str]:
    said, back = telling.said, -price_of(telling.line).minor
    billed = telling.money(said["billed"])
    number = str(said["corrects"])
    words = telling.say("correction", name=telling.name, invoice=number, billed=billed, amount=telling.money(back))
    return [words, telling.say("reason", reason=str(said["reason"]))] if said.get("reason") else [words]


def _walk(telling: Telling) -> str:
    steps: Sequence[Said] = telling.said["steps"]
    # Of a percentage it is value that is free, and not units.
    is_value = any("percent" in step for step in steps)
    return "; ".join(_step(telling, step, is_value=is_value and step["kind"] != "events") for step in steps)


def _step(telling: Telling, step: Said, *, is_value: bool) -> str:
    kind, flat = str(step["kind"]), step.get("flat_amount")
    phrase = f"step_{kind}_flat" if flat and kind in ("tier", "percent_tier") else f"step_{kind}"
    where: Mapping[str, object] = step.get("values") or {}
    return telling.say(
        phrase,
        units=telling.exact(Fraction(step["units"])) if is_value else telling.number(step["units"]),
        value=telling.exact(Fraction(step["units"])) if is_value else "",
        each=telling.exact(Fraction(step.get("unit_amount", 0))),
        percent=telling.percent(step.get("percent", 0)),
        flat=telling.exact(Fraction(flat or 0)),
        reach=_reach(telling, step) if "above" in step else "",
        where=", ".join(f"{name} {value or '-'}" for name, value in where.items()) or telling.say("others"),
        amount=telling.exact(step_amount(step)),
    )


def _reach(telling: Telling, step: Said) -> str:
    def write(bound: object) -> str:
        return telling.exact(Fraction(str(bound))) if step["kind"] in _MONEY_BOUNDS else telling.number(bound)

    above, up_to = step["above"], step["up_to"]
    if up_to is None:
        return telling.say("reach_open", above=write(above)) if Fraction(above) else telling.say("reach_all")
    if not Fraction(above):
        return telling.say("reach_first", up_to=write(up_to))
    return telling.say("reach", above=write(above), up_to=write(up_to))


def _discount(telling: Telling, taken: TakenOff) -> str:
    amount = telling.speaker.money(taken.amount)
    if taken.percent is None:
        return telling.say("discount", code=taken.code, amount=amount)
    return telling.say("discount_percent", code=taken.code, percent=telling.percent(taken.percent), amount=amount)


def _tax(telling: Telling, tax: TaxReason) -> list[str]:
    if tax.code in ("reverse_charge", "exempt"):
        return [telling.say(tax.code)]
    if not tax.percent or tax.amount.is_zero:
        return []
    phrase = "tax_within" if tax.is_inclusive else "tax_back" if tax.amount.minor < 0 else "tax"
    return [telling.say(phrase, percent=telling.percent(tax.percent), amount=telling.speaker.money(tax.amount))]


def _decimal(exact: Fraction) -> Decimal:
    return Decimal(exact.numerator) / Decimal(exact.denominator)


SENTENCES: dict[str, Callable[[Telling], list[str]]] = {
    "flat_fee_in_advance": _fee,
    "flat_fee_in_arrears": _fee,
    "one_off": _once,
    "by_hand": _by_hand,
    "prepaid_credits_bought": _once,
    "prepaid_credits": _prepaid,
    "correction": _correction,
    "proration_credit": _credit,
    "proration_charge": _charge,
    "proration_reinstated": _reinstated,
    "use_in_arrears": _use,
    "late_use": _use,
    "minimum_commitment": _commitment,
}
assert set(SENTENCES) == set(RULES)
