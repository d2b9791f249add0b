"""Where the master keys are kept, and how they are changed while the house runs.

Owns: reading the ring from the environment, a folder or a KMS, and again every minute; new keys, the current one, keys
taken out; wrapping anew what an older key sealed. Never: what is sealed, which the vault and the rooms know.
"""

from guilder.platform.db.masters.sources import (
    Environment,
    Folder,
    KeysUnreadable,
    Source,
    Unchangeable,
    keep_fresh,
    opened,
)
from guilder.platform.db.masters.wrapped import Kms, Wrapped

__all__ = [
    "Environment",
    "Folder",
    "KeysUnreadable",
    "Kms",
    "Source",
    "Unchangeable",
    "Wrapped",
    "keep_fresh",
    "opened",
]
