"""Files: a folder, or a bucket of S3, Google or Azure, behind one small port; and links to them that expire.

A bucket signs its own links. A folder's files are served by us, under a link that carries the path and its end, sealed
with HMAC-SHA256: whoever holds the link may read that one file until then, and a link for one tenant's path can never be
turned into a link for another's.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import IO, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, ObjectStore, S3Store, from_url

from guilder.kernel.errors import Forbidden, NotFound, Unavailable

FILE_BYTES_MAX = 25_000_000
PATH_LENGTH_MAX = 512
LINK_LENGTH_MAX = 1_024
LINK_LIFETIME_MAX = timedelta(days=7)  # what S3 allows

_RETRIES_MAX = 3
_RETRY_FOR = timedelta(seconds=20)
_REQUEST_TIMEOUT = "10s"

# Every segment starts with a letter, a digit or an underscore, so "..", "." and hidden files cannot be named at all.
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_PURPOSE = b"guilder.files.v1\n"


class FileMissing(NotFound):
    """There is no such file."""

    code = "file_missing"


class FilesUnavailable(Unavailable):
    """The file storage does not answer as it should; try again."""

    code = "files_unavailable"


class LinkInvalid(Forbidden):
    """This link is not valid, or no longer."""

    code = "link_invalid"


class FilesRefused(Exception):
    """The file storage will never take a file as it is set; says what it said no to."""


@dataclass(frozen=True, slots=True)
class S3Access:
    """Where a bucket is and who asks. What is unset is as AWS has it: its own names in the environment, or a role."""

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)

    @property
    def options(self) -> dict[str, str]:
        named = {
            "endpoint": self.endpoint_url,
            "region": self.region,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
        }
        return {name: value for name, value in named.items() if value}

    @property
    def is_plain(self) -> bool:
        return (self.endpoint_url or "").startswith("http://")


AS_AWS_HAS_IT = S3Access()


class Files:
    """One store of files, by relative paths such as `tenants/<tenant>/invoices/<id>/<sha>.pdf`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def is_served_by_us(self) -> bool:
        """Say whether links point at our own route, which answers with `get`, instead of at a bucket."""
        return isinstance(self._store, LocalStore | MemoryStore)

    async def try_out(self) -> None:
        """Write a small file of a bucket, read it and remove it: whoever may not, is told so before it matters.

        :raises FilesRefused: there is no such bucket, or these credentials may not do that
        :raises FilesUnavailable: the storage does not answer now
        """
        if self.is_served_by_us:
            return
        path = f"trials/{token_hex(16)}"
        try:
            await obstore.put_async(self._store, path, b"Guilder was here.")
            await (await obstore.get_async(self._store, path)).bytes_async()
            await obstore.delete_async(self._store, path)
        except NotFoundError as error:
            raise FilesRefused("there is no such bucket") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise FilesRefused("these credentials may not write, read and remove files there") from error
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error

    async def put(self, path: str, content: bytes, *, content_type: str) -> None:
        """Write a file, whole or not at all; to write it again changes nothing.

        :raises FilesUnavailable: the storage does not take it now
        """
        assert len(content) <= FILE_BYTES_MAX, len(content)
        # A folder keeps no attributes; what it serves gets its type from the path.
        attributes = None if self.is_served_by_us else {"Content-Type": content_type}
        try:
            await obstore.put_async(self._store, _checked(path), content, attributes=attributes)
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error

    async def put_once(self, path: str, content: bytes) -> bool:
        """Write a file that is never written again; False where there is one at this path, which stays as it is.

        :raises FilesUnavailable: the storage does not take it now
        """
        assert len(content) <= FILE_BYTES_MAX, len(content)
        try:
            await obstore.put_async(self._store, _checked(path), content, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error
        return True

    async def names_under(self, folder: str) -> list[str]:
        """Return the paths that begin with `<folder>/`, in order.

        :raises FilesUnavailable: the storage does not answer now
        """
        try:
            found = [each["path"] async for some in obstore.list(self._store, prefix=_checked(folder)) for each in some]
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error
        return sorted(path for path in found if path.startswith(f"{folder}/"))

    async def put_stream(self, path: str, content: IO[bytes], *, content_type: str) -> None:
        """Write what `content` holds from where it stands, in parts: for what is too large to be held.

        :raises FilesUnavailable: the storage does not take it now
        """
        attributes = None if self.is_served_by_us else {"Content-Type": content_type}
        try:
            await obstore.put_async(self._store, _checked(path), content, attributes=attributes)
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error

    async def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no error.

        :raises FilesUnavailable: the storage does not answer now
        """
        try:
            await obstore.delete_async(self._store, _checked(path))
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error

    async def delete_under(self, folder: str) -> int:
        """Remove every file whose path begins with `<folder>/`; return how many there were.

        :raises FilesUnavailable: the storage does not answer now
        """
        removed = 0
        try:
            async for found in obstore.list(self._store, prefix=_checked(folder)):
                for each in found:
                    if each["path"].startswith(f"{folder}/"):
                        await self.delete(each["path"])
                        removed += 1
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error
        return removed

    async def get(self, path: str) -> bytes:
        """Read a whole file.

        :raises FileMissing: there is none at this path
        :raises FilesUnavailable: the storage does not answer now
        """
        try:
            found = await obstore.get_async(self._store, _checked(path))
            return bytes(await found.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            raise FileMissing from error
        except (BaseError, OSError) as error:
            raise FilesUnavailable(_kind_of(error)) from error

    async def signed_url(self, path: str, *, expires_at: datetime, now: datetime, base_url: str, key: bytes) -> str:
        """Make a link that reads this file until `expires_at`, at most a week after `now` (both on the wall's clock).

        For a folder it is `<base_url>/<token>`; the route behind it calls `verify`.
        """
        expires_at = min(expires_at, now + LINK_LIFETIME_MAX)
        if isinstance(self._store, S3Store | GCSStore | AzureStore):
            try:
                return await obstore.sign_async(self._store, "GET", _checked(path), expires_at - now)
            except (BaseError, OSError) as error:
                raise FilesUnavailable(_kind_of(error)) from error
        return f"{base_url.rstrip('/')}/{sign(path, expires_at=expires_at, key=key)}"


def open_files(where: str, *, access: S3Access = AS_AWS_HAS_IT) -> Files:
    """Open a store: a folder's path (made if missing), or file://, s3:// with `access`, gs:// or az:// with the cloud's
    usual settings. Nothing is asked yet.
    """
    parts = urlsplit(where)
    if parts.scheme in {"", "file"}:
        folder = Path(parts.path)
        folder.mkdir(parents=True, exist_ok=True)
        return Files(LocalStore(folder.resolve()))
    if parts.scheme == "memory":
        return Files(MemoryStore())
    return Files(store_of(where, access=access, timeout=_REQUEST_TIMEOUT, retries=_RETRIES_MAX, retry_for=_RETRY_FOR))


def store_of(where: str, *, access: S3Access, timeout: str, retries: int, retry_for: timedelta) -> ObjectStore:
    """Open a bucket: s3:// with `access`, gs:// or az://. `timeout` is of one request, `retry_for` of all its tries.

    :raises BaseError: it is none of these; what it says may hold a secret
    """
    is_s3 = urlsplit(where).scheme == "s3"
    # Over plain HTTP only to an address that says so itself.
    client = {"timeout": timeout, "allow_http": is_s3 and access.is_plain}
    retry = {"max_retries": retries, "retry_timeout": retry_for}
    more: dict[str, Any] = access.options if is_s3 else {}
    return from_url(where, retry_config=retry, client_options=client, **more)  # type: ignore[call-overload,no-any-return]


def sign(path: str, *, expires_at: datetime, key: bytes) -> str:
    """Seal a path and its end into a token that is safe in a URL."""
    payload = f"{int(expires_at.timestamp())}\n{_checked(path)}".encode()
    return f"{_text(payload)}.{_text(_seal(payload, key))}"


def verify(token: str, *, now: datetime, key: bytes) -> str:
    """Return the path that a token was made for.

    :raises LinkInvalid: it was not made by us, was changed, or has expired
    """
    if len(token) > LINK_LENGTH_MAX:
        raise LinkInvalid
    try:
        payload, seal = (_bytes(part) for part in token.split("."))
    except (ValueError, binascii.Error) as error:
        raise LinkInvalid from error
    if not hmac.compare_digest(seal, _seal(payload, key)):
        raise LinkInvalid
    end, _, path = payload.decode().partition("\n")
    if now >= datetime.fromtimestamp(int(end), UTC):
        raise LinkInvalid("This link has expired.")
    return _checked(path)


def _seal(payload: bytes, key: bytes) -> bytes:
    assert len(key) >= 16, "a key shorter than 128 bits seals nothing"
    return hmac.new(key, _PURPOSE + payload, hashlib.sha256).digest()


def _checked(path: str) -> str:
    """Return the path if it can only lie inside the store; no caller composes paths of what a customer wrote."""
    if len(path) > PATH_LENGTH_MAX or not _PATH.fullmatch(path):
        raise FileMissing
    return path


def _kind_of(error: Exception) -> str:
    # The store's own message may hold an address with credentials: only its kind is told.
    return f"The file storage failed: {type(error).__name__}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError(text)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
