"""Whether a run was right. A figure of a run that was not is never shown."""

from datetime import UTC, datetime

from _cohort import PRICE, Cohort, House
from _server import Admin, Server, Wrong, one_row

from guilder.wiring.doctor.run import examine

# Documents and mail are queued and not sent here, so calls and messages do lie about: these checks alone are left out.
LEFT_LYING = frozenset({"I15b", "I25", "I26"})

# One row a cohort, each number worked out from the tables alone: (what, the query, what it must say).
_PERIODS = 2  # the first, which was subscribed to, and the one that the renewal brought
_COUNTS = (
    (
        "active subscriptions in their second period",
        1,
        "subscriptions.subscriptions where status = 'active' and period_number = 1",
    ),
    ("paid invoices", _PERIODS, "invoicing.invoices where status = 'paid'"),
    ("invoices", _PERIODS, "invoicing.invoices where true"),
    ("lines", _PERIODS, "invoicing.lines where true"),
    ("payments made at the first attempt", _PERIODS, "payments.payments where status = 'succeeded' and attempt = 1"),
    ("payments", _PERIODS, "payments.payments where true"),
    ("thanks", _PERIODS, "notifications.notifications where kind = 'payment_succeeded'"),
    ("completed orders", 1, "orders.orders where status = 'completed'"),
)


async def check_cohort(house: House, cohort: Cohort, admin: Admin) -> None:
    """Hold what came of a cohort against what must have.

    :raises Wrong: says which number is another
    """
    size = len(cohort.customers)
    for what, each, rows in _COUNTS:
        found = await admin.fetchval(f"select count(*) from {rows} and tenant_id = $1", cohort.tenant_id)
        _must(what, found, size * each)
    await check_numbers(admin, cohort, wanted=_PERIODS * size)
    books = await admin.fetch(
        "select account, sum(amount_minor)::bigint as sum from ledger.postings where tenant_id = $1 group by 1",
        cohort.tenant_id,
    )
    sums = {row["account"].split(":")[0]: row["sum"] for row in books}
    _must("the sum of the books", sum(row["sum"] for row in books), 0)
    _must("what is receivable", sums.get("receivable", 0), 0)
    ours = [each for each in house.bank.charges if each["business_key"].startswith(str(cohort.tenant_id))]
    _must("charges at the bank", len(ours), 2 * size)
    _must("invoices charged at the bank", len({each["business_key"] for each in ours}), 2 * size)
    _must("money at the bank", sum(each["amount"] for each in ours), 2 * size * PRICE.minor)
    _must("money in the books", sums.get("cash"), 2 * size * PRICE.minor)


async def check_numbers(admin: Admin, cohort: Cohort, *, wanted: int) -> None:
    """Hold the numbers of a cohort's invoices against how many there must be.

    :raises Wrong: there is a gap, or another count
    """
    numbers = await one_row(
        admin,
        "select min(sequence), max(sequence), count(distinct sequence) from invoicing.invoices where tenant_id = $1",
        cohort.tenant_id,
    )
    _must("invoice numbers without a gap (first, last, how many)", tuple(numbers), (1, wanted, wanted))


async def check_house(house: House, server: Server, *, now: datetime | None = None) -> int:
    """Ask the doctor about everything, as of today or of `now`; return how many checks were made.

    :raises Wrong: something is not as it must be
    """
    # A relay of a run before has no brokers to send to any more, and is behind for good.
    lag = await server.admin.fetch(
        "select * from platform.log_lag() where behind + parked + dead > 0 and group_name <> 'relay'"
    )
    _must("groups of the log that are behind", [dict(row) for row in lag], [])
    calls = await server.admin.fetchval(
        "select count(*) from platform.intents where kind like 'gateway.%' and state <> 'done'"
    )
    _must("calls to the bank that are not done", calls, 0)
    report = await examine(server.doctor_url, now=now or datetime.now(UTC), journal=house.bank.journal)
    found = [str(violation) for violation in report.violations if violation.check not in LEFT_LYING]
    if found or report.not_examined:
        raise Wrong("the doctor found: " + "; ".join([*found[:5], *report.not_examined]))
    return len(report.examined) - len(LEFT_LYING)


def _must(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found}, and not {wanted}")
