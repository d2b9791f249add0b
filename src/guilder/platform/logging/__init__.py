"""Log lines: one JSON object each (or a readable line in development), in UTC, with the request they belong to.

Owns: the shape of a line, what is bound to the context (request_id, tenant_id, event_id, group), masking.
Never: a secret, a card number, a line break that came from outside.
"""

from guilder.platform.logging.lines import Line, bound, configure, get, say
from guilder.platform.logging.masking import MASK, mask, mask_text

__all__ = ["MASK", "Line", "bound", "configure", "get", "mask", "mask_text", "say"]
