"""The columns of words that people write, which are sealed: what was written before they were is sealed by a walk."""

from guilder.domain.dunning.service import WORDS as DUNNING
from guilder.domain.invoicing.service import WORDS as INVOICING
from guilder.domain.payments.service import WORDS as PAYMENTS
from guilder.domain.webhooks.service import WORDS as WEBHOOKS

WORDS = (*PAYMENTS, *INVOICING, *DUNNING, *WEBHOOKS)
