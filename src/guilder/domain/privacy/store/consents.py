"""Consents as rows, only ever added to; how each is known lies sealed under its subject's key."""

from collections.abc import Sequence

from guilder.domain.privacy.model import Consent
from guilder.kernel.ids import CustomerId, TenantId
from guilder.kernel.page import PageQuery
from guilder.platform.db.tx import Row, Tx
from guilder.platform.db.vault import Sealed, Sealing

_PROOF = "privacy.consents.sealed_proof"


async def insert(tx: Tx, consent: Consent) -> None:
    [proof] = await tx.vault.seal_many(
        tx, [Sealing(consent.tenant_id, consent.customer_id, _PROOF, consent.proof)], now=consent.recorded_at
    )
    await tx.execute(
        """insert into privacy.consents (tenant_id, id, customer_id, purpose, version, is_given, at, recorded_at,
                                         recorded_by, sealed_proof)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        consent.tenant_id,
        consent.id,
        consent.customer_id,
        consent.purpose,
        consent.version,
        consent.is_given,
        consent.at,
        consent.recorded_at,
        consent.recorded_by,
        proof,
    )


async def listing(tx: Tx, query: PageQuery, *, customer_id: CustomerId | None) -> list[Consent]:
    """Read one more row than the page holds."""
    rows = await tx.fetch(
        """select * from privacy.consents where tenant_id = $1 and ($2::uuid is null or customer_id = $2)
            and ($3::uuid is null or id < $3) order by id desc limit $4""",
        tx.tenant_id,
        customer_id,
        query.after,
        query.limit + 1,
    )
    return await _consents(tx, rows)


async def _consents(tx: Tx, rows: Sequence[Row]) -> list[Consent]:
    texts = await tx.vault.open_many(
        tx, [Sealed(TenantId(row["tenant_id"]), row["customer_id"], _PROOF, row["sealed_proof"]) for row in rows]
    )
    return [
        Consent(
            tenant_id=TenantId(row["tenant_id"]),
            id=row["id"],
            customer_id=CustomerId(row["customer_id"]),
            purpose=row["purpose"],
            version=row["version"],
            is_given=row["is_given"],
            at=row["at"],
            recorded_at=row["recorded_at"],
            recorded_by=row["recorded_by"],
            proof=text or "",
        )
        for row, text in zip(rows, texts, strict=True)
    ]
