"""Kubernetes' schemas, without what makes them slow to begin with."""

import sys
from typing import Any

# jsonschema reads some forty grammars of addresses at its import, if this is there: seconds, and nothing here asks for it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
import kubernetes_validate  # noqa: E402

if sys.modules.get("rfc3987_syntax", ...) is None:
    del sys.modules["rfc3987_syntax"]

NotFitting = kubernetes_validate.ValidationError


def check(document: dict[str, Any], version: str) -> None:
    """Hold a document against the schema of its kind, in which nothing unknown may stand.

    :raises NotFitting: it does not fit
    """
    kubernetes_validate.validate(document, version, strict=True)
