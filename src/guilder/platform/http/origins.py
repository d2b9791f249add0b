"""Whether a browser's request comes from a page of our own: asked where a cookie is all that says who asks.

Sec-Fetch-Site    browsers send it since 2023 and pages cannot change it: `same-origin` or no
Origin            where a browser is older: ours, exactly
neither           no; a program has no business with a cookie
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from guilder.kernel.errors import Forbidden

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class CrossSiteRequest(Forbidden):
    """This came from a page elsewhere, or from no page: with a cookie that changes nothing."""

    code = "cross_site_request"


def origin_of(url: str) -> str:
    """Return `https://host:port` of an address as browsers write it: in small letters, without a default port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{named}{port}"


def is_same_origin(headers: Mapping[str, str], own: str) -> bool:
    """Tell whether a request was made by a page of `own`."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return bool(own) and headers.get("origin") == own


def refuse_cross_site(method: str, headers: Mapping[str, str], own: str) -> None:
    """Let pass what has no effect, and what a page of our own asks.

    :raises CrossSiteRequest: it has an effect, and is from elsewhere or from who knows where
    """
    if method not in SAFE and not is_same_origin(headers, own):
        raise CrossSiteRequest
