"""What the log tells whoever counts. `guilder.platform.metrics` is a Meter as it stands; by default nobody counts."""

from typing import Protocol


class Meter(Protocol):
    def log_lags(self, *, group: str, rows: int) -> None:
        """Say how many rows of the log a group has yet to handle."""
        ...

    def log_messages(self, *, group: str, outcome: str, count: int = 1) -> None:
        """Count messages; `outcome` is handled, failed, parked or dead."""
        ...

    def log_held(self, *, days: int) -> None:
        """Say for how many days rows have been kept beyond their time, because a group has not read them."""
        ...


class NoMeter:
    def log_lags(self, *, group: str, rows: int) -> None: ...

    def log_messages(self, *, group: str, outcome: str, count: int = 1) -> None: ...

    def log_held(self, *, days: int) -> None: ...
