"""Keys and what they do: seal, open, digest, compare.

Everything sealed is AES-256-GCM. What it is about (tenant, table and column, row or subject) is bound to it as
associated data, so that a ciphertext moved to another row or tenant does not open. It names the key that sealed it,
so that keys can be rotated: a ring seals with its first key and opens with any.

    sealed = version (1 byte) · length of the key id (1) · key id · nonce (12) · ciphertext and tag
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
KEY_ID_BYTES_MAX = 40
SECRET_BYTES = 32
_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
FILE_NAME = "master.key"


class CannotOpen(Exception):
    """What was sealed cannot be opened."""


class UnknownKey(CannotOpen):
    """The key that sealed it is not in the ring: it was taken out, or this is another installation's data."""


class KeyDestroyed(CannotOpen):
    """The key that sealed it was destroyed on purpose; nothing will open it again."""


class Tampered(CannotOpen):
    """It was changed, cut off, or belongs to another row, column or tenant."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of 32 bytes. `id` is empty for a data key, which is found by its subject instead."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert len(self.secret) == KEY_BYTES, "a key has 32 bytes"
        assert len(self.id.encode()) <= KEY_ID_BYTES_MAX, self.id


class KeyRing:
    """The master keys, the one for new data first."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: dict[str, Key] = {}
        self.adopt(keys)

    @property
    def current(self) -> Key:
        """Return the key that new data is sealed with."""
        return next(iter(self._keys.values()))

    @property
    def ids(self) -> list[str]:
        return list(self._keys)

    def adopt(self, keys: Iterable[Key]) -> bool:
        """Go on with these keys, for everybody who holds this ring; say whether that changed anything."""
        found = {key.id: key for key in keys}
        assert found, "a ring has a key"
        before, self._keys = list(self._keys.items()), found
        return before != list(found.items())

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `base64`, or a ring `id:base64,id:base64`. A key without an id is called by its own fingerprint."""
        return cls(parse_keys(text))

    @classmethod
    def in_folder(cls, folder: Path) -> "KeyRing":
        """Read the ring kept in this folder, made at the first time with mode 0600. For development and tests only."""
        path = folder / FILE_NAME
        folder.mkdir(parents=True, exist_ok=True)
        # Written aside and linked into place, so that of two processes that start together one key wins, whole.
        aside = folder / f".{FILE_NAME}.{secrets.token_hex(8)}"
        if not path.exists():
            _write_private(aside, base64.b64encode(secrets.token_bytes(KEY_BYTES)))
            try:
                os.link(aside, path)
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        return cls.parse(path.read_text())

    def find(self, key_id: str) -> Key:
        """Return the key of this id.

        :raises UnknownKey: it is not in the ring
        """
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKey(f"no key {key_id!r} in the ring")
        return key

    def blind(self, text: str, *, about: str) -> bytes:
        """Hash with the current key, to find `text` again without storing it. Equal texts give equal hashes."""
        return blind(self.current, text, about=about)

    def blinds(self, text: str, *, about: str) -> list[bytes]:
        """Return the hash under every key of the ring: what a search compares with, since keys may have rotated."""
        return [blind(key, text, about=about) for key in self._keys.values()]


def seal(keys: KeyRing | Key, plaintext: bytes, *, about: bytes) -> bytes:
    """Encrypt, bound to `about` (see `about`): it opens only where the same is said."""
    key = keys.current if isinstance(keys, KeyRing) else keys
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return header(key) + nonce + AESGCM(key.secret).encrypt(nonce, plaintext, about)


def open_(keys: KeyRing | Key, sealed: bytes, *, about: bytes) -> bytes:
    """Decrypt.

    :raises UnknownKey: no such key in the ring
    :raises Tampered: not what was sealed, or not sealed about this
    """
    key_id, body = _split(sealed)
    key = keys.find(key_id) if isinstance(keys, KeyRing) else keys
    if key.id != key_id:
        raise UnknownKey(f"sealed by key {key_id!r}")
    try:
        return AESGCM(key.secret).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], about)
    except InvalidTag as error:
        raise Tampered("not what was sealed, or not sealed about this") from error


def about(*parts: object) -> bytes:
    """Join what a ciphertext is about; each part is preceded by its length, so that no two lists look the same."""
    encoded = [str(part).encode() for part in parts]
    return b"".join([piece for part in encoded for piece in (len(part).to_bytes(4, "big"), part)])


def header(key: Key) -> bytes:
    """Return how everything sealed by this key begins."""
    name = key.id.encode()
    return bytes((_VERSION, len(name))) + name


def new_key(key_id: str = "") -> Key:
    return Key(key_id, secrets.token_bytes(KEY_BYTES))


def new_secret() -> str:
    """Return 256 random bits in 43 letters fit for a URL."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str | bytes) -> bytes:
    """SHA-256: for secrets of full randomness only. A password a person chose needs argon2."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()


def same(a: str | bytes, b: str | bytes) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(*(each.encode() if isinstance(each, str) else each for each in (a, b)))


def blind(key: Key, text: str, *, about: str) -> bytes:
    """Hash with a key, to find `text` again without storing it. Equal texts about the same give equal hashes."""
    # Derived, so that the key that encrypts never hashes.
    derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"guilder blind " + about.encode()).derive(key.secret)
    return hmac.digest(derived, text.encode(), "sha256")


def parse_keys(text: str) -> list[Key]:
    """Read `base64`, or a ring `id:base64,id:base64`.

    :raises ValueError: it is neither
    """
    keys = [_parse_key(part.strip()) for part in text.split(",") if part.strip()]
    if not keys:
        raise ValueError("no key")
    return keys


def written(keys: Iterable[Key]) -> str:
    """Write a ring as `parse_keys` reads it. It is as secret as the keys."""
    return ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in keys)


def new_key_id() -> str:
    """Return a name for a master key, which sorts by nothing and tells nothing."""
    return f"k{secrets.token_hex(5)}"


def _parse_key(text: str) -> Key:
    key_id, _, encoded = text.rpartition(":")
    secret = base64.b64decode(encoded, validate=True)
    if len(secret) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    return Key(key_id or hashlib.sha256(b"guilder key id" + secret).hexdigest()[:8], secret)


def _split(sealed: bytes) -> tuple[str, bytes]:
    if len(sealed) < 2 or sealed[0] != _VERSION:
        raise Tampered("not sealed by Guilder")
    end = 2 + sealed[1]
    body = sealed[end:]
    if len(body) < _NONCE_BYTES + _TAG_BYTES:
        raise Tampered("cut off")
    return sealed[2:end].decode(errors="replace"), body


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
