"""The SQL of privacy."""

from guilder.domain.privacy.store import consents, requests, retention

__all__ = ["consents", "requests", "retention"]
