"""Whether documents can be stored where the settings say: asked before it matters, and not when an invoice is paid."""

import asyncio

from guilder.entrypoints.roles import Role
from guilder.platform import logging
from guilder.platform.config import BadSettings
from guilder.platform.outside.files import Files, FilesRefused, FilesUnavailable

# The others only sign links, and may have fewer rights.
WRITES_FILES = frozenset({Role.UP, Role.WORK})
TRY_TIMEOUT_S = 10.0

_log = logging.get(__name__)


async def refuse_unusable_files(files: Files, where: str | None) -> None:
    """Try the file storage out. One that does not answer now may do so later, and stops nobody.

    :raises BadSettings: it will never take a file as it is set
    """
    said = await trouble_with_files(files)
    if isinstance(said, FilesRefused):
        raise BadSettings(f"FILES_URL ({where}): {said}")
    if said is not None:
        _log.warning("files_unavailable", reason=str(said))


async def trouble_with_files(files: Files) -> FilesRefused | FilesUnavailable | None:
    try:
        async with asyncio.timeout(TRY_TIMEOUT_S):
            await files.try_out()
    except (FilesRefused, FilesUnavailable) as error:
        return error
    except TimeoutError:
        return FilesUnavailable(f"the file storage did not answer within {TRY_TIMEOUT_S:.0f} s")
    return None
