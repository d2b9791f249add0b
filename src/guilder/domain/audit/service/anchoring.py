"""Anchors: where chains end, told to the outside once a day.

Whoever may change every row may rewrite a whole chain and its head so that it verifies. What was written elsewhere before,
to a place that they cannot change, is what contradicts them.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from guilder.domain.audit.model import HASH_BYTES, Chain, Place
from guilder.domain.audit.store import chains as store
from guilder.kernel.ids import TenantId
from guilder.platform.db.tx import Tx

FORMAT = "guilder.audit.anchor.1"
# Each anchor names what grew in the days before it: a day that was missed is made up for.
REACH = timedelta(days=8)

Anchors = dict[Chain, dict[int, bytes]]


async def write_anchor(tx: Tx, *, now: datetime) -> bytes:
    """Return an anchor: where the chains of businesses end that grew within REACH, as JSON lines. `now` is the wall's."""
    heads = await store.heads_since(tx, now - REACH)
    lines = [json.dumps({"format": FORMAT, "anchored_at": now.isoformat(), "chains": len(heads)})]
    lines += [json.dumps([str(chain.tenant_id), chain.partition, *_written(place)]) for chain, place in heads]
    return ("\n".join(lines) + "\n").encode()


def anchored(anchor: bytes) -> str:
    """Return the digest of an anchor, for a line in the log."""
    return hashlib.sha256(anchor).hexdigest()


def read_anchor(anchor: bytes, into: Anchors) -> None:
    """Add an anchor's places.

    :raises ValueError: this is not an anchor
    """
    head, *lines = anchor.decode().splitlines()
    said = json.loads(head)
    if not isinstance(said, Mapping) or said.get("format") != FORMAT or said.get("chains") != len(lines):
        raise ValueError("this is not an anchor, or not a whole one")
    for line in lines:
        tenant, partition, seq, text = json.loads(line)
        digest = bytes.fromhex(text)
        if len(digest) != HASH_BYTES:
            raise ValueError("this is not an anchor, or not a whole one")
        into.setdefault(Chain(TenantId(UUID(tenant)), partition), {})[seq] = digest


def _written(place: Place) -> tuple[int, str]:
    return place.seq, place.hash.hex()
