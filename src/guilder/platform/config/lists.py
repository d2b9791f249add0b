"""Settings that name several, by comma: names, networks, origins."""

from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

SLASHES_OF_AN_ORIGIN = 2


def _by_comma(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        try:
            ip_network(each, strict=False)
        except ValueError:
            raise ValueError("should be addresses or networks by comma, such as 10.0.0.0/8") from None
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        # As a browser says it: with its scheme, and with nothing after the host and port.
        if urlsplit(each).scheme not in {"http", "https"} or each.count("/") != SLASHES_OF_AN_ORIGIN:
            raise ValueError("should be origins by comma, such as https://app.example.com, without a path")
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_by_comma)]
Networks = Annotated[Names, AfterValidator(_networks)]
Origins = Annotated[Names, AfterValidator(_origins)]
