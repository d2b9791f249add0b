"""Answers that are the same for everybody, and may be kept by a browser or a CDN. Everything else is `no-store`."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

MAX_AGE_S = 300


def shared(request: Request, document: Mapping[str, Any], *, max_age_s: int = MAX_AGE_S) -> Response:
    """Answer with a public document; 304 to whoever has it already, by its ETag."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Cache-Control": f"public, max-age={max_age_s}", "ETag": tag}
    if tag in _known(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _known(header: str) -> set[str]:
    # A CDN that compresses makes a tag weak; it is the same document.
    return {each.strip().removeprefix("W/") for each in header.split(",")}
