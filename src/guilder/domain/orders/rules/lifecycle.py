"""The states of an order. What is not in the table cannot happen."""

from enum import StrEnum

from guilder.domain.orders.model import OrderStatus
from guilder.kernel import lifecycle


class Step(StrEnum):
    COMPLETE = "complete"  # what was owed for it is paid
    CANCEL = "cancel"  # its invoice was voided


MOVES: dict[OrderStatus, dict[Step, OrderStatus]] = {
    OrderStatus.PROCESSING: {Step.COMPLETE: OrderStatus.COMPLETED, Step.CANCEL: OrderStatus.CANCELED},
    OrderStatus.COMPLETED: {},
    OrderStatus.CANCELED: {},
}
assert set(MOVES) == set(OrderStatus)

FINAL = lifecycle.final(MOVES)
