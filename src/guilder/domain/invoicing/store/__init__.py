"""The SQL of invoicing; that of discounts and of credit is in `store.discounts` and `store.crediting`."""

from guilder.domain.invoicing.store import crediting, discounts
from guilder.domain.invoicing.store.making import (
    FinalTouch,
    are_billed,
    claim_items,
    finalize,
    free_items,
    insert,
    take_numbers,
)
from guilder.domain.invoicing.store.recognition import (
    claim_recognition,
    mark_recognized,
    stop_recognition,
    unrecognized,
)
from guilder.domain.invoicing.store.rows import (
    Head,
)
from guilder.domain.invoicing.store.standing import (
    add_documented,
    by_number,
    claim_due_soon,
    claim_overdue,
    credited,
    document_path,
    documented,
    get,
    invoices_of_lines,
    listing,
    lock,
    mark_due_soon,
    mark_overdue,
    noted,
    save_document,
    save_given_back,
    save_standing,
)

__all__ = [
    "add_documented",
    "documented",
    "FinalTouch",
    "Head",
    "are_billed",
    "by_number",
    "claim_due_soon",
    "claim_items",
    "claim_overdue",
    "claim_recognition",
    "credited",
    "crediting",
    "discounts",
    "document_path",
    "finalize",
    "free_items",
    "get",
    "insert",
    "invoices_of_lines",
    "listing",
    "lock",
    "mark_due_soon",
    "mark_overdue",
    "mark_recognized",
    "noted",
    "save_document",
    "save_given_back",
    "save_standing",
    "stop_recognition",
    "take_numbers",
    "unrecognized",
]
