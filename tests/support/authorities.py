"""The authorities of the world are read in once: each new client of httpx would do it, and take 40 ms for it.

There are thousands of clients here, few of which ever speak TLS.
"""

import functools
import os
import ssl
from typing import Any

import httpx
from httpx._transports import default as transports

_read_in = httpx.create_ssl_context


@functools.cache
def _of_everybody(*_: str | None, trust_env: bool) -> ssl.SSLContext:
    return _read_in(trust_env=trust_env)


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is True and cert is None:
        return _of_everybody(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")), trust_env=trust_env)
    return _read_in(verify=verify, cert=cert, trust_env=trust_env)


def read_in_once() -> None:
    setattr(transports, "create_ssl_context", _context)  # noqa: B010  (it is not meant to be another's)
