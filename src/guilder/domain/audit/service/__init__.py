"""The verbs of audit."""

from guilder.domain.audit.service.anchoring import Anchors, anchored, read_anchor, write_anchor
from guilder.domain.audit.service.appending import append
from guilder.domain.audit.service.exporting import (
    EXPORT,
    EXPORT_MAX,
    ExportNotReady,
    ask_for_export,
    export,
    export_ended,
    exported,
    exports,
)
from guilder.domain.audit.service.keeping import drop_old, make_months
from guilder.domain.audit.service.reading import of_customer_export, one, records
from guilder.domain.audit.service.verifying import (
    Found,
    chains_of,
    last_verification,
    record_verification,
    verify_chain,
)

__all__ = [
    "EXPORT",
    "EXPORT_MAX",
    "Anchors",
    "ExportNotReady",
    "Found",
    "anchored",
    "append",
    "ask_for_export",
    "chains_of",
    "drop_old",
    "export",
    "export_ended",
    "exported",
    "exports",
    "last_verification",
    "make_months",
    "of_customer_export",
    "one",
    "read_anchor",
    "record_verification",
    "records",
    "verify_chain",
    "write_anchor",
]
