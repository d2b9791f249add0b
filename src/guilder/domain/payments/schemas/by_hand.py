"""What HTTP hears of transfers."""

from typing import Annotated

from guilder.domain.payments.model import Receipt
from guilder.platform.http.fields import In, Instant, Note, PositiveAmount, Text

# A bank statement's own words on a transfer.
Reference = Annotated[str, Text(140)]


class ReceiptIn(In):
    """A transfer that has come in: when, how much, and what the bank's statement calls it."""

    amount: PositiveAmount
    received_at: Instant
    reference: Reference
    note: Note | None = None

    def to_model(self) -> Receipt:
        return Receipt(happened_at=self.received_at, reference=self.reference, note=self.note or "")


class SentIn(In):
    """A transfer that was sent off."""

    sent_at: Instant
    reference: Reference
    note: Note | None = None

    def to_model(self) -> Receipt:
        return Receipt(happened_at=self.sent_at, reference=self.reference, note=self.note or "")
