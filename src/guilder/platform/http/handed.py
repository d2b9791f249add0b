"""What was begun ahead of the application and is for the application to finish: it says what it always says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guilder.platform.http.limits import Taken

KEY = "guilder.handed"


@dataclass(frozen=True, slots=True)
class Handed:
    """`taken` counts for the request, whoever answers it; `error` is what became of its work, and is to be told."""

    taken: Taken | None
    error: Exception | None = None


def handed(scope: Mapping[str, Any]) -> Handed | None:
    """Return what was begun of a request before the application was asked; None: nothing."""
    found = scope.get(KEY)
    assert found is None or isinstance(found, Handed), found
    return found
