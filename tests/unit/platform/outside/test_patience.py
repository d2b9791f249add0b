"""For how long a call is tried: as long as what is called is away on its ordinary bad days."""

import pytest

from guilder.domain.audit.performers import AuditExports
from guilder.domain.invoicing.performers import DocumentRemoval, InvoiceDocuments
from guilder.domain.notifications.performers import MailSending
from guilder.domain.privacy.performers import Exporting, ExportRemoval
from guilder.platform.outside.intents import Limits

MINUTE, HOUR = 60, 3_600


@pytest.mark.parametrize("performer", [InvoiceDocuments, DocumentRemoval, AuditExports, Exporting, ExportRemoval])
def test_the_file_store_may_be_away_for_an_hour(performer):
    assert patience_s(performer.limits) >= HOUR


def test_a_mail_waits_a_night_for_its_server():
    assert patience_s(MailSending.limits) >= 12 * HOUR


def patience_s(limits: Limits) -> float:
    """Add up the waits, each the shortest that chance may make it: half."""
    waits = [min(limits.backoff_first_s * 2**n, limits.backoff_max_s) / 2 for n in range(limits.attempts_max - 1)]
    return sum(waits)
