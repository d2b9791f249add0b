"""What must hold: in every committed state (`always`), and once faults have stopped (`at_rest`)."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from guilder.domain.dunning.model import Status as CaseStatus
from guilder.domain.payments.model import RefundStatus, Status
from tests.simulation.actors import GROUPS, PERIOD, PERIODS
from tests.simulation.books import IN_FLIGHT, Books
from tests.simulation.engine import EPOCH, Violation

TERMINAL = frozenset({Status.SUCCEEDED, Status.CANCELED})
UNSETTLED = frozenset({Status.UNKNOWN, Status.REQUESTED, Status.PREPARED, Status.CANCELING})


def checker(books: Books) -> Callable[[], None]:
    """Return a check of what must always hold, which looks only when something was committed or charged."""
    seen = (-1, -1)

    def check() -> None:
        nonlocal seen
        stands = (books.store.commits, len(books.provider.charges))
        if stands != seen:
            seen = stands
            always(books)

    return check


def always(books: Books) -> None:
    _moves(books)
    _numbers(books)
    _items(books)
    _money(books)
    _refunds(books)
    _posts(books)
    _notices(books)
    _holders(books)


def at_rest(books: Books) -> str:
    """Return what is still under way, or nothing; and find what is lost for good."""
    return _under_way(books) or _lost(books)


def stuck(books: Books) -> str:
    """Return what did not come to rest in time: what is lost, or else what is still under way."""
    return _lost(books) or _under_way(books)


def _need(condition: bool, invariant: str, says: str) -> None:
    if not condition:
        raise Violation(invariant, says)


def _moves(books: Books) -> None:
    """I18: what is final stays so; declined becomes succeeded at most, by a fact of the gateway."""
    for table, key, before, after in books.store.history:
        if before is None:
            continue
        if table == "payments":
            was = {p.id: p for p in before}
            for now in after:
                then = was.get(now.id, now)
                if then.status is not now.status:
                    is_late = then.status is Status.DECLINED and now.status is Status.SUCCEEDED
                    is_final = then.status in TERMINAL or then.status is Status.DECLINED
                    _need(is_late or not is_final, "I18", f"{now.business_key}: {then.status} -> {now.status}")
        elif table == "invoices" and before.status != after.status:
            _need(before.status == "open", "I18", f"{key}: {before.status} -> {after.status}")
    books.store.history.clear()


def _numbers(books: Books) -> None:
    """I16: per tenant, gapless from 1."""
    numbers: dict[Any, list[int]] = defaultdict(list)
    for invoice in books.store.table("invoices").values():
        numbers[invoice.tenant_id].append(invoice.number)
    for tenant, given in numbers.items():
        _need(sorted(given) == list(range(1, len(given) + 1)), "I16", f"{tenant}: {sorted(given)}")


def _items(books: Books) -> None:
    """I13, I04b: nothing is billed twice; and no item collected twice, whichever invoices carry it."""
    items = Counter(invoice.item for invoice in books.store.table("invoices").values())
    for item, count in items.items():
        _need(count == 1, "I13", f"{item} is on {count} invoices")


def _money(books: Books) -> None:
    """I04, I06, I07: by the provider's journal, never by our own tables."""
    payments = books.store.table("payments")
    captured: Counter[str] = Counter()
    given_back: Counter[str] = Counter()
    charges: set[tuple[str, int]] = set()
    for charge in books.provider.charges:
        captured[charge.business_key.split(":")[1]] += charge.amount.minor
        charges.add((charge.business_key, charge.amount.minor))
    for back in books.provider.refunds:
        given_back[back.business_key.split(":")[1]] += back.amount.minor
    for invoice in books.store.table("invoices").values():
        mine = payments.get(invoice.id, ())
        for each in mine:
            if each.status is Status.SUCCEEDED:
                _need((each.business_key, each.amount.minor) in charges, "I06", each.business_key)
        paid = sum(p.amount.minor for p in mine if p.status is Status.SUCCEEDED and not p.is_overpayment)
        _need(invoice.status != "paid" or paid >= invoice.total.minor, "I07", f"{invoice.id} is paid with {paid}")
        _need(paid <= invoice.total.minor, "I22", f"{invoice.id} is paid twice: {paid}")
        if captured[str(invoice.id)] - given_back[str(invoice.id)] > invoice.total.minor:
            # What was captured too much is on its way back, or else nobody knows of it.
            returning = sum(
                refund.amount.minor
                for p in mine
                if p.is_overpayment
                for refund in books.store.table("refunds").get(p.business_key, ())
                if refund.status is RefundStatus.PENDING
            )
            known = {p.business_key for p in mine if p.status is Status.SUCCEEDED}
            untold = sum(
                c.amount.minor
                for c in books.provider.charges
                if c.business_key.split(":")[1] == str(invoice.id) and c.business_key not in known
            )
            over = captured[str(invoice.id)] - given_back[str(invoice.id)] - invoice.total.minor
            _need(over <= returning + untold, "I04", f"{invoice.id}: {over} too much was captured")
        twice = [k for k, n in Counter(c.business_key for c in books.provider.charges).items() if n > 1]
        _need(not twice, "I04", f"charged twice: {twice}")


def _refunds(books: Books) -> None:
    """I08: no more is given back, or on its way back, than was captured."""
    for attempts in books.store.table("payments").values():
        for payment in attempts:
            counting = [
                refund.amount.minor
                for refund in books.store.table("refunds").get(payment.business_key, ())
                if refund.status in {RefundStatus.PENDING, RefundStatus.SUCCEEDED}
            ]
            _need(sum(counting) <= payment.amount.minor, "I08", payment.business_key)


def _posts(books: Books) -> None:
    """I09: one posting for a fact."""
    twice = [fact for fact, count in Counter(books.store.posted).items() if count > 1]
    _need(not twice, "I09", f"{twice}")


def _notices(books: Books) -> None:
    """I20: one effect for a notice."""
    heard = Counter(row.event.at for row in books.store.log.values() if row.event.name == "NoticeReceived")
    twice = [notice for notice, count in heard.items() if count > 1]
    _need(not twice, "I20", f"{twice}")


def _holders(books: Books) -> None:
    """I22: one payment holds an invoice, and one that is in flight holds one unless it was given up."""
    for attempts in books.store.table("payments").values():
        holding = [p.attempt for p in attempts if p.holds_invoice]
        _need(len(holding) <= 1, "I22", f"{attempts[0].invoice_id}: {holding}")
        flying = [p.attempt for p in attempts if p.status in IN_FLIGHT - {Status.CANCELING}]
        _need(len(flying) <= 1, "I22", f"{attempts[0].invoice_id}: in flight {flying}")


def _under_way(books: Books) -> str:
    store, sim = books.store, books.sim
    if store.unsequenced:
        return "I19: rows without a position"
    positioned = {row.id for line in store.lines for row in line}
    if len(positioned) < len(store.log):
        return f"I19: {len(store.log) - len(positioned)} rows were never published"
    for group in GROUPS:
        for partition, line in enumerate(store.lines):
            cursor = store.table("cursors").get((group, partition), 0)
            end = (
                (line[-1].position if books.protocol.reads_by_position else max(row.id for row in line)) if line else 0
            )
            if cursor < end:
                return f"I19: {group} is behind in {partition}"
    for row in store.table("intents").values():
        if row.state == "waiting":
            return f"an intent waits: {row.kind} {row.business_key} {row.step}"
    for subscription in store.table("subscriptions").values():
        if subscription.billed < PERIODS and EPOCH + subscription.billed * PERIOD < sim.now - timedelta(minutes=10):
            return f"I15: {subscription} is not billed"
    for refunds in store.table("refunds").values():
        if any(refund.status is RefundStatus.PENDING for refund in refunds):
            return f"a refund is pending: {refunds}"
    return ""


def _lost(books: Books) -> str:
    store = books.store
    known = {p.business_key: p for attempts in store.table("payments").values() for p in attempts}
    for charge in books.provider.charges:
        payment = known.get(charge.business_key)
        if payment is None or payment.status is not Status.SUCCEEDED:
            return f"I05: {charge.business_key} is charged and {payment.status if payment else 'not known'}"
    for payment in known.values():
        if payment.status in UNSETTLED:
            return f"I21: {payment.business_key} is {payment.status}"
    captured: Counter[str] = Counter()
    for charge in books.provider.charges:
        captured[charge.business_key.split(":")[1]] += charge.amount.minor
    for back in books.provider.refunds:
        captured[back.business_key.split(":")[1]] -= back.amount.minor
    for invoice in store.table("invoices").values():
        _need(captured[str(invoice.id)] <= invoice.total.minor, "I04", f"{invoice.id}: {captured[str(invoice.id)]}")
        _need(
            invoice.status != "void" or captured[str(invoice.id)] <= 0,
            "I04",
            f"{invoice.id} is void, and {captured[str(invoice.id)]} was kept",
        )
        case = store.table("cases").get(invoice.id)
        is_exhausted = case is not None and case.status is CaseStatus.EXHAUSTED
        if invoice.status == "open" and not is_exhausted:
            return f"liveness: {invoice.id} is open: {[p.status.value for p in store.table('payments')[invoice.id]]}"
    return ""
