"""Every check, in the order of GUARANTEES. `sql/<id>.sql` is its query; docs/operations/doctor.md explains each."""

from datetime import timedelta
from pathlib import Path

from guilder.wiring.doctor.report import Check, When

_SQL = Path(__file__).parent / "sql"
_MINUTE = timedelta(minutes=1)


def _always(check_id: str, title: str) -> Check:
    return Check(check_id, title, When.ALWAYS)


def _settled(check_id: str, title: str, *, minutes: int, needs_journal: bool = False) -> Check:
    return Check(check_id, title, When.SETTLED, minutes * _MINUTE, needs_journal)


CHECKS: tuple[Check, ...] = (
    _always("I01", "every entry of the books adds up to nothing"),
    _always("I02", "postings are of their entry's tenant and currency"),
    _settled("I04", "no provider keeps more than an invoice's total", minutes=15, needs_journal=True),
    _settled("I04b", "nothing that was billed is collected twice", minutes=15, needs_journal=True),
    _settled("I04-own", "we have recorded no more as kept than an invoice's total", minutes=15),
    _always("I04b-own", "nothing that was billed is paid by two payments"),
    _settled("I05", "what a provider captured or gave back is recorded here", minutes=15, needs_journal=True),
    _settled("I05-own", "what a provider answered as done is recorded as done", minutes=15),
    _settled("I06", "what succeeded here succeeded at the provider", minutes=1, needs_journal=True),
    _always("I06-own", "what succeeded here was asked of a provider"),
    _always("I07", "what is paid has the money for it"),
    _settled("I07b", "what has the money is paid, and refunds are noted", minutes=5),
    _always("I08", "no more is given back than was captured"),
    _always("I09", "no fact is booked twice"),
    _always("I09b", "every movement of money is booked, and nothing else"),
    _always("I10", "an invoice's receivable is what is left to pay of it"),
    _always("I10b", "what is deferred is what is yet to be earned"),
    _always("I10c", "what is left of customers' credit is what the books owe them"),
    _always("I10d", "what lies in disputes is what banks hold"),
    _settled("I10e", "credit notes of refunds document what went back", minutes=5),
    _always("I11", "totals are the sums of their lines"),
    _always("I12", "an invoice is in one currency throughout"),
    _always("I13", "nothing is billed twice"),
    _always("I14", "billed periods follow each other without hole or overlap"),
    _always("I14b", "periods are whole steps from their anchor"),
    _always("I14c", "every period that is owed was billed"),
    _always("I14d", "a whole period costs what was agreed"),
    _settled("I15", "nothing that is due stays unbilled", minutes=10),
    _settled("I15b", "nothing that is due stays undone", minutes=10),
    _settled("I15c", "what is over is billed when it is due", minutes=10),
    _always("I15d", "late use is in what it changed"),
    _always("I16", "invoice numbers have no gap"),
    _always("I16b", "numbers follow the order in which invoices became final"),
    _always("I16c", "what is final has a number and a seal, and nothing else does"),
    _always("I17", "what is final is as it was booked and announced"),
    _always("I18", "nothing leaves the state that ends it"),
    _always("I18b", "a subscription's history ends with what it is"),
    _settled("I19", "what was announced is heard", minutes=1),
    _settled("I20", "no message is parked for long, and none was given up", minutes=5),
    _always("I20b", "each webhook of a provider counts once"),
    _settled("I21", "nothing stays unknown", minutes=15),
    _always("I22", "no attempt is made before the one before it has ended"),
    _always("I22b", "one payment pays an invoice, and any other goes back"),
    _settled("I23", "access follows subscriptions", minutes=1),
    _settled("I23b", "what was paid for can be used", minutes=1),
    _settled("I23c", "blocks follow unpaid invoices", minutes=1),
    _always("I23d", "what is answered of access is what the facts come to"),
    _settled("I25", "no call to the outside is left lying", minutes=15),
    _settled("I26", "every message is sent or has failed", minutes=15),
    _settled("I26b", "every event is on its way to whoever asks for it, there, or given up", minutes=15),
    _always("I27", "references stay in their tenant"),
    _always("I27b", "references between rooms are held by the database"),
    _always("I28", "the rows of tenants are held apart"),
    _always("I30", "the audit is what was written"),
    _settled("I30b", "everything that was announced is in the audit", minutes=1),
    _settled("I31", "whoever was erased is named nowhere, and what the law wants is kept", minutes=60),
)
assert len({check.id for check in CHECKS}) == len(CHECKS)

GROUND = (_SQL / "ground.sql").read_text()
QUERIES = {check.id: (_SQL / f"{check.id}.sql").read_text() for check in CHECKS}
