"""The window: how many messages to take next, so that one at fault is found in a few steps and good ones run in bulk."""

from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    """Halves after a failure, by bisection; doubles after successes, up to `size_max`.

    Of a batch of n that failed, some message is at fault; of those that remain of the n, half is taken next.
    """

    size_max: int
    size: int = 0
    _suspects: int = 0

    def __post_init__(self) -> None:
        assert self.size_max >= 1, self
        self.size = self.size_max

    @property
    def is_open(self) -> bool:
        """Whether nothing is suspected: as much as there may be is taken."""
        return self.size == self.size_max and not self._suspects

    def failed(self, count: int) -> None:
        """Say that a batch of this many failed; one that failed alone has been taken out of the way."""
        self._suspects = 0 if count == 1 else count
        self.size = max(1, count // 2)

    def succeeded(self, count: int) -> None:
        self._suspects = max(0, self._suspects - count)
        self.size = max(1, self._suspects // 2) if self._suspects else min(self.size_max, self.size * 2)
