"""What the catalog's rows have in common: JSON in and out."""

from collections.abc import Mapping

import msgspec

# As answers that are kept name all that is on sale; see the routes.
ROOM = "catalog"


def json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def metadata_from_row(text: str) -> Mapping[str, str]:
    return msgspec.json.decode(text, type=dict[str, str])
