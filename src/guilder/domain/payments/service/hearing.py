"""Hearing: each answer goes to what asked for it."""

from collections.abc import Sequence
from datetime import datetime

from guilder.domain.gateways.model import RequestKind
from guilder.domain.payments.model import Answer
from guilder.domain.payments.service.recording import record
from guilder.domain.payments.service.refunding import record_refunds
from guilder.domain.payments.service.validating import record_setups
from guilder.platform.db.tx import Tx


async def tell(tx: Tx, *, answers: Sequence[Answer], now: datetime) -> None:
    """Record what providers said, of payments, refunds and methods alike."""
    money = [each for each in answers if each.kind in {RequestKind.CHARGE, RequestKind.CANCEL}]
    refunds = [each for each in answers if each.kind is RequestKind.REFUND]
    setups = [each for each in answers if each.kind is RequestKind.SETUP]
    if money:
        await record(tx, answers=money, now=now)
    if refunds:
        await record_refunds(tx, answers=refunds, now=now)
    if setups:
        await record_setups(tx, answers=setups, now=now)
