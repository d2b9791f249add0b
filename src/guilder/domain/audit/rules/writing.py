"""How records are written into files: every field as its hash is made over it, so that whoever has a file can verify it."""

import json
from collections.abc import Iterable, Iterator, Sequence

from guilder.domain.audit.model import Told
from guilder.domain.audit.rules.chain import FIELDS, texts_of

HEAD = (*FIELDS, "previous_hash", "hash", "reason")


def row(told: Told) -> dict[str, str | None]:
    """Return a record as text by name. `reason` is what `sealed_reason` opens to, and no part of the hash."""
    record = told.record
    hashes = {"previous_hash": record.previous_hash.hex(), "hash": record.hash.hex()}
    return {**texts_of(record), **hashes, "reason": told.reason}


def lines(records: Iterable[Told]) -> Iterator[str]:
    for told in records:
        yield json.dumps(row(told), ensure_ascii=False, separators=(",", ":")) + "\n"


def cells(told: Told) -> Sequence[str]:
    said = row(told)
    return [said[name] or "" for name in HEAD]
