"""How a transfer is named: to the customer who writes it on theirs, and in the place of a provider's object."""

import hashlib

INSTRUCTIONS = "instructions"  # the settings of a manual account: what the customer reads
REFERENCE_PREFIX = "reference_prefix"
_REFERENCE_LENGTH = 12


def ref_of(business_key: str) -> str:
    """Return what a transfer has where others have a provider's object; the manual gateway names it alike."""
    return f"manual_{_digest(business_key)}"


def reference_of(business_key: str, *, prefix: str) -> str:
    """Return what the customer is to write on the transfer: short enough for any bank's form."""
    return f"{prefix}{_digest(business_key)[:_REFERENCE_LENGTH].upper()}"


def _digest(business_key: str) -> str:
    return hashlib.sha256(business_key.encode()).hexdigest()[:24]
