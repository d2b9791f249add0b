"""Invoicing's verbs."""

from guilder.domain.invoicing.service.alone import SecondPersonNeeded
from guilder.domain.invoicing.service.arrears import Due, bill_segments
from guilder.domain.invoicing.service.billing import (
    bill_closed,
    bill_due,
    bill_periods,
    bill_segments_due,
)
from guilder.domain.invoicing.service.by_hand import ByHand, MixedCurrencies, make_invoice
from guilder.domain.invoicing.service.changing import change_lines, unused_lines
from guilder.domain.invoicing.service.consolidating import consolidated
from guilder.domain.invoicing.service.correcting import (
    Correction,
    Documented,
    GiveBack,
    NotCreditable,
    credit_note,
    creditable,
    document_refunds,
)
from guilder.domain.invoicing.service.credit_requests import (
    CreditNoteWish,
    GrantWish,
    PayOutWish,
    ask_credit,
    credit_request,
    credit_requests,
    expire_credit_requests,
    grant_credit_request,
    refuse_credit_request,
)
from guilder.domain.invoicing.service.crediting import (
    NotEnoughCredit,
    NothingRefundable,
    NotPositive,
    credit_balance,
    credits_of,
    grant_credit,
    pay_out_credit,
    take_back_pay_outs,
)
from guilder.domain.invoicing.service.current import current_use, projected_bill
from guilder.domain.invoicing.service.discounts import discounts, end_discount, redeem, take_back_unused
from guilder.domain.invoicing.service.documents import (
    DOCUMENT,
    Described,
    DocumentForgotten,
    DocumentNotReady,
    describe,
    document_path,
    document_stored,
    request_documents,
)
from guilder.domain.invoicing.service.expiring import expire_due as expire_prepaid_due
from guilder.domain.invoicing.service.explaining import explained
from guilder.domain.invoicing.service.finalizing import (
    AlreadyBilled,
    Known,
    Owed,
    are_billed,
    finalize,
    finalize_at_commit,
    number_now,
)
from guilder.domain.invoicing.service.forgetting import (
    FORGET_DOCUMENT,
    date_documents,
    documents,
    forget_customer,
    forget_documents,
    kept_documents,
    of_customer_export,
    old_documents,
    open_matters,
    seal_words,
)
from guilder.domain.invoicing.service.giving_up import give_up_numbers
from guilder.domain.invoicing.service.granting import AskedBack, grant_unused
from guilder.domain.invoicing.service.healing import differences, heal
from guilder.domain.invoicing.service.leaving import settle_up
from guilder.domain.invoicing.service.losing import Lost, take_back_lost
from guilder.domain.invoicing.service.owing import InvoiceIsPaid, PaymentInFlight, pay_with_what_notes_gave
from guilder.domain.invoicing.service.paying_back import refund_unused
from guilder.domain.invoicing.service.prepaid import ExpiryIsPast, PrepaidIsOver, PrepaidIsUnpaid
from guilder.domain.invoicing.service.prepaid import access_ended as end_prepaid_sold
from guilder.domain.invoicing.service.prepaid import grant as grant_prepaid
from guilder.domain.invoicing.service.prepaid import listing as prepaid_grants
from guilder.domain.invoicing.service.prepaid import void as void_prepaid
from guilder.domain.invoicing.service.pricing import UnknownIssuer
from guilder.domain.invoicing.service.progressive import Heard, bill_heard
from guilder.domain.invoicing.service.reading import (
    balances,
    credited_whole,
    cut_off,
    get,
    listing,
    lock,
    one,
    paid_since,
)
from guilder.domain.invoicing.service.standing import (
    IsCreditNote,
    give_up,
    recognize_due,
    record_refunds,
    settle,
    tell_due_soon,
    tell_overdue,
    void,
)
from guilder.domain.invoicing.service.telling import payable_of
from guilder.domain.invoicing.service.undoing import take_back_change
from guilder.domain.invoicing.service.withholding import give_withheld
from guilder.domain.invoicing.store.crediting import REASONS

# What is sealed of what people write: for the walk that seals what was written before.
WORDS = (REASONS,)

__all__ = [
    "give_up_numbers",
    "WORDS",
    "CreditNoteWish",
    "GrantWish",
    "PayOutWish",
    "SecondPersonNeeded",
    "ask_credit",
    "credit_request",
    "credit_requests",
    "expire_credit_requests",
    "grant_credit_request",
    "refuse_credit_request",
    "DocumentForgotten",
    "FORGET_DOCUMENT",
    "date_documents",
    "documents",
    "forget_customer",
    "forget_documents",
    "kept_documents",
    "of_customer_export",
    "old_documents",
    "open_matters",
    "seal_words",
    "AlreadyBilled",
    "Known",
    "Owed",
    "AskedBack",
    "ByHand",
    "Correction",
    "DOCUMENT",
    "Described",
    "DocumentNotReady",
    "Documented",
    "Due",
    "ExpiryIsPast",
    "GiveBack",
    "Heard",
    "Lost",
    "InvoiceIsPaid",
    "IsCreditNote",
    "MixedCurrencies",
    "NotCreditable",
    "NotEnoughCredit",
    "NotPositive",
    "NothingRefundable",
    "PaymentInFlight",
    "PrepaidIsOver",
    "PrepaidIsUnpaid",
    "UnknownIssuer",
    "are_billed",
    "balances",
    "bill_closed",
    "bill_due",
    "bill_heard",
    "bill_periods",
    "bill_segments",
    "bill_segments_due",
    "change_lines",
    "consolidated",
    "credit_balance",
    "credit_note",
    "credited_whole",
    "cut_off",
    "creditable",
    "credits_of",
    "current_use",
    "describe",
    "differences",
    "discounts",
    "document_path",
    "document_refunds",
    "document_stored",
    "end_discount",
    "end_prepaid_sold",
    "expire_prepaid_due",
    "explained",
    "finalize",
    "finalize_at_commit",
    "number_now",
    "get",
    "give_up",
    "give_withheld",
    "grant_credit",
    "grant_prepaid",
    "grant_unused",
    "heal",
    "listing",
    "lock",
    "make_invoice",
    "one",
    "paid_since",
    "payable_of",
    "pay_out_credit",
    "pay_with_what_notes_gave",
    "prepaid_grants",
    "projected_bill",
    "recognize_due",
    "record_refunds",
    "redeem",
    "refund_unused",
    "request_documents",
    "settle",
    "settle_up",
    "take_back_change",
    "take_back_lost",
    "take_back_pay_outs",
    "take_back_unused",
    "tell_due_soon",
    "tell_overdue",
    "unused_lines",
    "void",
    "void_prepaid",
]
