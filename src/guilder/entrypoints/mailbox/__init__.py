"""The mailbox: what sandboxes and tests would have sent, and what was sent in tests, to be looked at in a browser.

Only outside production: it asks nobody who they are. A live tenant's mail is never in it.
"""

from guilder.entrypoints.mailbox.pages import router

__all__ = ["router"]
