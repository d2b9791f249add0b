"""What must be so when a storm is over, judged by what is seen from outside alone. Pure: evidence in, findings out.

The provider's journal is the truth about money; our API is what is accused. `doctor` looks from inside, and its word is
taken down beside these, never instead of them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from guilder.kernel import ids
from tests.chaos.asking import Call
from tests.chaos.evidence import Books, Evidence
from tests.chaos.nemesis import Blow
from tests.chaos.plan import FELL, KILL, PROVIDER, STOP, STRIKES, role_of

SHARE_MAX = 0.001  # of answers outside windows that may be our fault
# Only where the API itself, what stands before it or the one database behind it is struck may a client see a 5xx, until
# that part has answered again for so long. Workers, relays, Redis, Kafka, replicas and providers are no excuse.
EXCUSED = frozenset({"api", "nginx", "primary"})
AFTERWARDS_S = 6.0
BEFOREHAND_S = 0.5  # a call that began just before, and met it
# A series goes on over the turn of the year, which its numbers name.
_NUMBER = re.compile(r"^(\D*)(?:\d{4}-)?(\d+)$")


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    says: str

    def __str__(self) -> str:
        return f"{self.check}: {self.says}"


def findings(seen: Evidence) -> list[Finding]:
    found = [Finding(check.__name__, said) for check in CHECKS for said in check(seen)]
    return found + [
        Finding(check.__name__, f"{books.name}: {said}")
        for check in OF_BOOKS
        for books in seen.books
        for said in check(books)
    ]


# ---- of money: each on the books of one sandbox ------------------------------------------------------------------------


def every_charge_is_one_payment(books: Books) -> Iterable[str]:
    """What was charged there is exactly one succeeded payment here, of the same amount; and nothing else succeeded."""
    ours = Counter(_paid(books))
    theirs = Counter(
        (charge["business_key"], charge["amount"], charge["currency"].upper())
        for charge in _succeeded(books, "charges")
    )
    for (key, amount, currency), times in (theirs - ours).items():
        yield f"{key} was charged {amount} {currency} and is no succeeded payment here ({times})"
    for (key, amount, currency), times in (ours - theirs).items():
        yield f"{key} succeeded here with {amount} {currency} and was never charged ({times})"


def nothing_is_charged_twice(books: Books) -> Iterable[str]:
    keys = Counter(charge["business_key"] for charge in _succeeded(books, "charges"))
    for key, times in keys.items():
        if times > 1:
            yield f"{key} was charged {times} times"


def no_invoice_keeps_more_than_its_total(books: Books) -> Iterable[str]:
    """Whatever was charged for an invoice less what went back is no more than it says."""
    kept: dict[str, int] = defaultdict(int)
    invoice_of = {}
    for charge in _succeeded(books, "charges"):
        invoice_of[charge["ref"]] = invoice = charge["business_key"].split(":")[1]
        kept[invoice] += charge["amount"]
    for refund in _succeeded(books, "refunds"):
        kept[invoice_of.get(refund["charge_ref"], "")] -= refund["amount"]
    totals = {_plain("inv", each["id"]): each["total"] for each in books.lists["invoices"]}
    for invoice, amount in kept.items():
        if invoice not in totals:
            yield f"{amount} were kept for {invoice or 'nothing'}, which is no invoice here"
        elif amount > totals[invoice]:
            yield f"{amount} were kept for {invoice}, whose total is {totals[invoice]}"


def every_refund_is_known(books: Books) -> Iterable[str]:
    """What was given back there is one succeeded refund here, of the same amount; and nothing else succeeded."""
    theirs = Counter((each["business_key"], each["amount"]) for each in _succeeded(books, "refunds"))
    ours = Counter(
        (f"{books.tenant}:refund:{_plain('ref', each['id'])}", each["amount"])
        for each in books.lists["refunds"]
        if each["status"] == "succeeded"
    )
    for (key, amount), times in (theirs - ours).items():
        yield f"{key} gave back {amount} and is no succeeded refund here ({times})"
    for (key, amount), times in (ours - theirs).items():
        yield f"{key} succeeded here with {amount} and nothing went back ({times})"


def numbers_have_no_gap(books: Books) -> Iterable[str]:
    series: dict[str, list[int]] = defaultdict(list)
    for invoice in books.lists["invoices"]:
        if invoice["number"] and (parts := _NUMBER.match(invoice["number"])):
            series[parts[1]].append(int(parts[2]))
        elif invoice["status"] != "draft":
            yield f"{invoice['id']} is {invoice['status']} and has no number"
    for prefix, numbers in series.items():
        twice = sorted(number for number, times in Counter(numbers).items() if times > 1)
        gone = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        if twice:
            yield f"{prefix}: given twice: {twice}"
        if gone:
            yield f"{prefix}: not given: {gone}"


def every_acknowledged_thing_is_there(books: Books) -> Iterable[str]:
    yield from books.missing


def _succeeded(books: Books, kind: str) -> list[dict[str, Any]]:
    return [each for each in books.journal[kind] if each["status"] == "succeeded"]


def _paid(books: Books) -> Iterable[tuple[str, int, str]]:
    for each in books.lists["payments"]:
        if each["status"] == "succeeded":
            key = f"{books.tenant}:{_plain('inv', each['invoice_id'])}:{each['attempt']}"
            yield key, each["amount"], each["currency"]


def _plain(prefix: str, text: str) -> str:
    found = ids.from_text(prefix, text)
    return str(found) if found else text


OF_BOOKS: list[Callable[[Books], Iterable[str]]] = [
    every_charge_is_one_payment,
    nothing_is_charged_twice,
    no_invoice_keeps_more_than_its_total,
    every_refund_is_known,
    numbers_have_no_gap,
    every_acknowledged_thing_is_there,
]


# ---- of the run ----------------------------------------------------------------------------------------------------------


def the_doctor_finds_nothing(seen: Evidence) -> Iterable[str]:
    yield from seen.doctor


def nothing_was_broken_in_the_midst(seen: Evidence) -> Iterable[str]:
    yield from dict.fromkeys(seen.sampled)  # what stays broken is seen at each look


def all_came_to_rest(seen: Evidence) -> Iterable[str]:
    yield from seen.unrest


def nothing_fell_by_itself(seen: Evidence) -> Iterable[str]:
    yield from (f"{blow.part} was down, and nobody had killed it" for blow in seen.blows if blow.fault.kind == FELL)


def a_key_is_one_answer(seen: Evidence) -> Iterable[str]:
    """Whatever was answered well to a key is of one thing, however often it was asked."""
    answered: dict[tuple[str, str], set[str]] = defaultdict(set)
    for call in seen.calls:
        if call.key and call.is_ack and call.id:
            answered[call.sandbox, call.key].add(call.id)
    for (sandbox, key), found in answered.items():
        if len(found) > 1:
            yield f"{sandbox}: key {key} was answered with {sorted(found)}"


def what_was_done_once_is_not_refused_later(seen: Evidence) -> Iterable[str]:
    """Whoever asks again with the key of something done is told of it: a refusal then says that it was forgotten."""
    done: set[tuple[str, str]] = set()
    for call in sorted(seen.calls, key=lambda each: each.at):
        name = call.sandbox, call.key
        if call.key and call.is_ack and not call.is_twin:
            done.add(name)
        elif name in done and call.is_twin and 400 <= call.status < 500 and not call.is_unclear:
            yield f"{call.sandbox}: {call.method} {call.path} with key {call.key} was done, and refused later: {call.code}"


def the_api_stays_up(seen: Evidence) -> Iterable[str]:
    """Outside the windows of what excuses it, less than one answer in a thousand is our fault."""
    outside = [call for call in seen.calls if call.status and not is_excused(call, seen.blows)]
    failed = [call for call in outside if call.status >= 500]
    if failed and len(failed) / len(outside) >= SHARE_MAX:
        shown = Counter(f"{call.status} {call.code} {call.method} {call.does} at {call.at:.0f} s" for call in failed)
        yield f"{len(failed)} of {len(outside)} answers outside fault windows were 5xx: {dict(shown.most_common(8))}"


def is_excused(call: Call, blows: Iterable[Blow]) -> bool:
    return any(start - BEFOREHAND_S <= call.at + call.took and call.at <= end for start, end in windows(blows))


def windows(blows: Iterable[Blow]) -> list[tuple[float, float]]:
    """Return when a client may see errors: from a blow at what it talks to until that has stood again for a while."""
    struck = [blow for blow in blows if role_of(blow.part) in EXCUSED and blow.fault.kind in STRIKES]
    return [(blow.began, (blow.ready or blow.ended or blow.began) + AFTERWARDS_S) for blow in struck]


def no_log_tells_a_secret(seen: Evidence) -> Iterable[str]:
    for name, text in seen.logs.items():
        for what, secret in seen.secrets.items():
            if secret in text:
                yield f"{name} says {what}"


CHECKS: list[Callable[[Evidence], Iterable[str]]] = [
    the_doctor_finds_nothing,
    nothing_was_broken_in_the_midst,
    all_came_to_rest,
    nothing_fell_by_itself,
    a_key_is_one_answer,
    what_was_done_once_is_not_refused_later,
    the_api_stays_up,
    no_log_tells_a_secret,
]


# ---- whether it was a storm at all -----------------------------------------------------------------------------------------


def counts(seen: Evidence) -> dict[str, int]:
    """Count what shows that something was tried."""
    periods = {
        (books.name, line["subscription_id"], line["period_start"])
        for books in seen.books
        for invoice in books.lists["invoices"]
        if invoice["kind"] == "invoice"
        for line in invoice["lines"]
        if line["kind"] == "recurring"
    }
    first = len({(name, subscription) for name, subscription, _ in periods})
    keyed: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in seen.calls:
        if call.key:
            keyed[call.sandbox, call.key].append(call)
    hits = [blow for blow in seen.blows if blow.hits > 0]
    return {
        "calls": len(seen.calls),
        "writes": len(keyed),
        "acknowledged": sum(any(call.is_ack for call in tries) for tries in keyed.values()),
        "tried again": sum(any(call.attempt > 1 for call in tries) for tries in keyed.values()),
        "kept answers met": sum(any(call.is_replayed for call in tries) for tries in keyed.values()),
        "lost answers met": sum(
            any(call.is_replayed and call.attempt > 1 for call in tries) for tries in keyed.values()
        ),
        "charges": sum(len(_succeeded(books, "charges")) for books in seen.books),
        "declines": sum(len(books.journal["charges"]) - len(_succeeded(books, "charges")) for books in seen.books),
        "refunds": sum(len(_succeeded(books, "refunds")) for books in seen.books),
        "renewals": len(periods) - first,
        "advances": seen.advances,
        "faults": len(seen.blows),
        "faults that hit": len(hits),
        "kills that hit": sum(blow.fault.kind in {KILL, STOP} for blow in hits),
        "provider faults that hit": sum(blow.fault.kind == PROVIDER for blow in hits),
        "samples": seen.samples,
    }


def too_calm(seen: Evidence) -> list[Finding]:
    """Say where this storm was too calm to have shown anything."""
    minutes, found = seen.schedule.seconds / 60, counts(seen)
    return [
        Finding("too_calm", f"{found[what]} {what}, and at least {least:.0f} are wanted")
        for what, per_minute in LEAST_PER_MINUTE.items()
        if found[what] < (least := max(1, per_minute * minutes))
    ]


# A tenth of what is seen on a busy machine of two cores; renewals wait for clocks, and those for whatever is down.
LEAST_PER_MINUTE = {
    "acknowledged": 40,
    "charges": 15,
    "renewals": 1.5,
    "faults that hit": 4,
    "kills that hit": 2,
    "tried again": 2,
    "kept answers met": 2,
    "provider faults that hit": 0.5,
}
