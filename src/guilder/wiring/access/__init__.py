"""Who may do what in this house: the two tables beside this file, and nothing else says it.

`endpoints.csv` has a row for every method and path that is served, `fields.csv` for every field that is not for all who
may call. How they are read is said in `platform/http/access.py`; docs/security/access.md is made from them.
"""

from functools import cache
from importlib import resources

from guilder.platform.http.access import AccessTable, read

_FOLDER = resources.files(__name__)


@cache
def table() -> AccessTable:
    """Return the whole table, as it is packaged.

    :raises BadAccessTable: see `platform.http.access.read`
    """
    return read(*((_FOLDER / name).read_text("utf-8") for name in ("endpoints.csv", "fields.csv")))
