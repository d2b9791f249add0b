"""The chain: each record's hash is made over the one before and every field, so that nothing changes unseen.

hash = SHA-256("guilder.audit.1\\n" + previous hash + fields); a field is the length of its text in four bytes and the text
in UTF-8, nothing at all is ff ff ff ff; fields in the order of FIELDS. Ids are written as UUIDs are, instants in UTC with six
digits, bytes in hexadecimal. docs/design/audit.md works an example; the doctor does the same in SQL.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from msgspec import Struct

from guilder.domain.audit.model import BEGINNING, Chain, Entry, Fault, Head, Place, Record

VERSION = b"guilder.audit.1\n"
FIELDS = (
    "tenant_id", "class", "month", "partition", "seq", "id", "at", "recorded_at", "actor", "action", "version",
    "object_kind", "object_id", "customer_id", "request_id", "sealed_reason", "payload", "traceparent",
)  # fmt: skip
CHECK_BYTES = 4
_ALL_CHECKS = struct.Struct(f">{len(FIELDS)}I")
_Texts = Sequence[str | None]
# What is encoded already, by what it was made of.
_Known = dict[object, "_Encoded"]


class _Encoded(Struct, frozen=True):
    """Texts as the hash is made over them, one after the other, and the sum of each."""

    framed: bytes
    sums: tuple[int, ...]


_NOTHING = _Encoded(b"\xff\xff\xff\xff", (0,))  # empty and nothing are told apart


def appended(head: Head, entries: Sequence[Entry]) -> tuple[Head, list[Record]]:
    """Put entries behind the head of their chain, in order; return the new head, too."""
    kept_as, month, place = head.kept_as, head.month, head.place
    over = _over(month)
    records: list[Record] = []
    known: _Known = {}
    for entry in entries:
        assert entry.chain == head.chain, (entry.chain, head.chain)
        if entry.recorded_at >= over:
            month = month_of(entry.recorded_at)
            over = _over(month)
        encoded = _in_parts(entry, known, kept_as=kept_as, month=month, seq=place.seq + 1)
        record = Record(
            entry=entry,
            kept_as=kept_as,
            month=month,
            seq=place.seq + 1,
            checks=_checks(encoded),
            previous_hash=place.hash,
            hash=_hash(place.hash, encoded),
        )
        records.append(record)
        place = record.place
    return Head(chain=head.chain, kept_as=kept_as, month=month, place=place), records


def month_of(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)


def _over(month: date) -> datetime:
    """Return when this month is over."""
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


def texts_of(record: Record) -> dict[str, str | None]:
    """Return the fields of a record as its hash is made over them, by name."""
    texts = _texts(record.entry, kept_as=record.kept_as, month=record.month, seq=record.seq)
    return dict(zip(FIELDS, texts, strict=True))


def hash_of(record: Record, *, after: bytes | None = None) -> bytes:
    """Return what the record's hash has to be, after its own previous hash or after another one."""
    texts = _texts(record.entry, kept_as=record.kept_as, month=record.month, seq=record.seq)
    return _hash(record.previous_hash if after is None else after, _encoded(texts))


@dataclass(slots=True)
class Verifier:
    """Walks along one chain and says what is wrong; records come in the order of their numbers, in any portions.

    `start` is where what was dropped ended. `anchors` are places that were told to the outside.
    """

    chain: Chain
    start: Place = BEGINNING
    anchors: Mapping[int, bytes] = field(default_factory=dict)
    _at: Place | None = None
    count: int = 0

    @property
    def at(self) -> Place:
        return self.start if self._at is None else self._at

    def walk(self, records: Iterable[Record]) -> Iterator[Fault]:
        for record in records:
            self.count += 1
            yield from self._step(record)

    def end(self, head: Place | None) -> Iterator[Fault]:
        """Compare the last record with the head, and with anchors that lie beyond it."""
        if head is None:
            yield self._fault(self.at.seq, "its chain has no head", "head")
        elif head.seq > self.at.seq:
            yield self._fault(
                self.at.seq + 1, f"records {self.at.seq + 1} to {head.seq} are missing: the head is ahead"
            )
        elif head.seq < self.at.seq:
            yield self._fault(head.seq + 1, f"the head is behind: it stands at {head.seq} of {self.at.seq}", "head")
        elif head.hash != self.at.hash:
            yield self._fault(head.seq, "the head has another hash than the last record", "head")
        for seq in sorted(each for each in self.anchors if each > self.at.seq):
            yield self._fault(seq, f"it was anchored, and the chain ends at {self.at.seq}", "hash")
        if self.start.seq in self.anchors and self.anchors[self.start.seq] != self.start.hash:
            yield self._fault(self.start.seq, "it was anchored with another hash than it was closed with", "hash")

    def _step(self, record: Record) -> Iterator[Fault]:
        expected = self.at
        if record.seq <= expected.seq:
            yield self._fault(record.seq, "it is there though its number was passed: inserted, or closed unlawfully")
            return
        is_linked = record.seq == expected.seq + 1
        if not is_linked:
            yield self._fault(expected.seq + 1, f"records {expected.seq + 1} to {record.seq - 1} are missing")
        before = expected.hash if is_linked else record.previous_hash
        changed = _changed(record, before)
        for name in changed:
            yield self._fault(record.seq, f"{name} is not what was written", name)
        if is_linked and not changed and record.previous_hash != expected.hash:
            yield self._fault(record.seq, "it does not follow the record before", "previous_hash")
        anchored = self.anchors.get(record.seq)
        if anchored is not None and anchored != record.hash:
            yield self._fault(record.seq, "it was anchored with another hash: rewritten since", "hash")
        # Where only the hash was changed the next record still follows what it was: one fault is said once.
        self._at = Place(record.seq, hash_of(record) if changed == ["hash"] else record.hash)

    def _fault(self, seq: int, what: str, name: str = "") -> Fault:
        return Fault(self.chain, seq, what, name)


def _changed(record: Record, before: bytes) -> list[str]:
    """Name the columns that were changed, if any."""
    encoded = _encoded(_texts(record.entry, kept_as=record.kept_as, month=record.month, seq=record.seq))
    checks = _checks(encoded)
    if _hash(record.previous_hash, encoded) == record.hash:
        return [] if checks == record.checks else ["checks"]
    if len(record.checks) == len(checks):
        named = [name for n, name in enumerate(FIELDS) if _check(checks, n) != _check(record.checks, n)]
        if named:
            return named
    if _hash(before, encoded) == record.hash:
        return ["previous_hash"]
    return ["hash"] if checks == record.checks else ["checks", "hash"]


def _texts(entry: Entry, *, kept_as: str, month: date, seq: int) -> _Texts:
    return [
        *_whose(entry, kept_as, month),
        str(seq),
        str(entry.id),
        *_when(entry),
        *_what(entry),
        *_about(entry),
        entry.payload,
        entry.traceparent,
    ]


def _whose(entry: Entry, kept_as: str, month: date) -> _Texts:
    return [str(entry.tenant_id), str(kept_as), month.isoformat(), str(entry.partition)]


def _when(entry: Entry) -> _Texts:
    return [_instant(entry.at), _instant(entry.recorded_at)]


def _what(entry: Entry) -> _Texts:
    return [entry.actor, entry.action, str(entry.version), entry.object_kind]


def _about(entry: Entry) -> _Texts:
    return [
        None if entry.object_id is None else str(entry.object_id),
        None if entry.customer_id is None else str(entry.customer_id),
        entry.request_id,
        None if entry.sealed_reason is None else entry.sealed_reason.hex(),
    ]


def _hash(previous: bytes, encoded: _Encoded) -> bytes:
    return hashlib.sha256(VERSION + previous + encoded.framed).digest()


def _checks(encoded: _Encoded) -> bytes:
    return _ALL_CHECKS.pack(*encoded.sums)


def _in_parts(entry: Entry, known: _Known, *, kept_as: str, month: date, seq: int) -> _Encoded:
    """Encode a record's fields in the order of FIELDS; what many records in a row have in common, once for them."""
    whose, when, what = (
        month,
        (entry.at, entry.recorded_at),
        (entry.actor, entry.action, entry.version, entry.object_kind),
    )
    parts = (
        known.get(whose) or known.setdefault(whose, _encoded(_whose(entry, kept_as, month))),
        _encoded((str(seq), str(entry.id))),
        known.get(when) or known.setdefault(when, _encoded(_when(entry))),
        known.get(what) or known.setdefault(what, _encoded(_what(entry))),
        _encoded((*_about(entry), entry.payload, entry.traceparent)),
    )
    return _Encoded(b"".join([part.framed for part in parts]), sum((part.sums for part in parts), ()))


def _encoded(texts: _Texts) -> _Encoded:
    framed: list[bytes] = []
    sums: list[int] = []
    for text in texts:
        if text is None:
            framed.append(_NOTHING.framed)
            sums += _NOTHING.sums
            continue
        raw = text.encode() if text.isascii() else text.encode("utf-8", "surrogatepass")
        framed += (len(raw).to_bytes(4), raw)
        sums.append(zlib.crc32(raw, 1))
    return _Encoded(b"".join(framed), tuple(sums))


def _check(checks: bytes, n: int) -> bytes:
    return checks[n * CHECK_BYTES : (n + 1) * CHECK_BYTES]


def _instant(at: datetime) -> str:
    in_utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")
