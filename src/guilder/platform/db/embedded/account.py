"""As whom the server runs: PostgreSQL refuses to run as root, and wants a user that /etc/passwd knows."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guilder.platform.db.embedded.errors import EmbeddedError

# In this order: the first is made for it, the second exists wherever there is a /etc/passwd at all.
FOR_ROOT = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """True if the server runs as somebody else than this process, which then is root."""
        return self.uid != os.geteuid()

    def popen(self) -> dict[str, Any]:
        """Give the arguments that make a subprocess run as this account, in a folder that it may be in."""
        lowered = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}
        return {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, **lowered}

    def may_enter(self, folder: Path) -> bool:
        """Ask as the account itself: modes, groups and access lists of every parent have their say."""
        command = ["/bin/sh", "-c", 'cd "$0"', str(folder)]
        return subprocess.run(command, check=False, capture_output=True, timeout=30, **self.popen()).returncode == 0

    def give(self, path: Path) -> None:
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account:
    """Choose who runs the server of this data folder: whoever ran it before, or the first account that will do."""
    if os.geteuid() != 0:
        return _myself()
    if data.exists():
        owner = _known(data.stat().st_uid)
        if owner is not None and owner.pw_uid != 0:
            return Account(owner.pw_name, owner.pw_uid, owner.pw_gid)
    for name in FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(FOR_ROOT)} to run it as; "
        "create one of them, or start Guilder as an ordinary user."
    )


def _myself() -> Account:
    entry = _known(os.geteuid())
    if entry is None:
        raise EmbeddedError(
            f"PostgreSQL needs a user that /etc/passwd knows, and user id {os.geteuid()} has no entry there; "
            "start Guilder as a user that has one, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _known(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
