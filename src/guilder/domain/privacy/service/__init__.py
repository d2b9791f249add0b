"""The verbs of privacy."""

from guilder.domain.privacy.service.consenting import consent, consents
from guilder.domain.privacy.service.erasing import carry_out_due, look_again, member_left, seal_late
from guilder.domain.privacy.service.exporting import (
    EXPORT,
    REMOVE,
    FileNotReady,
    exported,
    file_path,
    pack,
    removed,
    to_export,
    to_remove,
)
from guilder.domain.privacy.service.requesting import (
    AskedAlready,
    DoneByHand,
    ask,
    cancel,
    complete,
    grant,
    listing,
    one,
    refuse,
)
from guilder.domain.privacy.service.retaining import due_counts, retention, round_due, set_retention

__all__ = [
    "EXPORT",
    "REMOVE",
    "AskedAlready",
    "DoneByHand",
    "FileNotReady",
    "ask",
    "cancel",
    "carry_out_due",
    "complete",
    "consent",
    "consents",
    "due_counts",
    "exported",
    "file_path",
    "grant",
    "listing",
    "look_again",
    "member_left",
    "one",
    "pack",
    "refuse",
    "removed",
    "retention",
    "round_due",
    "seal_late",
    "set_retention",
    "to_export",
    "to_remove",
]
