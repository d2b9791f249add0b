"""Which PostgreSQL a command works on: the one that the settings name, or the embedded one of the data folder."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from guilder.platform.config import Settings
from guilder.platform.db.embedded import EmbeddedError, EmbeddedPostgres, Endpoints

RUNNING = "running.json"


def with_endpoints(settings: Settings, *, owner: str, app: str, doctor: str) -> Settings:
    return settings.model_copy(
        update={
            "database_url": SecretStr(app),
            "database_owner_url": SecretStr(owner),
            "database_doctor_url": SecretStr(doctor),
        }
    )


@contextmanager
def database_of(settings: Settings, *, progress: Callable[[str], None]) -> Iterator[Settings]:
    """Give settings whose database is there: named by the environment, or run by another Guilder of this data folder, or
    started here and stopped at the end.

    :raises EmbeddedError: the embedded server cannot be started; says what to do
    """
    found_running = reachable(settings)
    if found_running is not None:
        yield found_running
        return
    with embedded(settings, progress=progress) as (found, _server):
        yield found


def reachable(settings: Settings) -> Settings | None:
    """Give settings whose database runs already: named by the environment, or of another Guilder of this data folder."""
    if settings.database_url is not None:
        return settings
    running = _running(settings.guilder_data)
    return with_endpoints(settings, **running) if running is not None else None


@contextmanager
def embedded(settings: Settings, *, progress: Callable[[str], None]) -> Iterator[tuple[Settings, EmbeddedPostgres]]:
    """Start the embedded server, note for other commands where it is, and stop it at the end."""
    try:
        settings.guilder_data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"GUILDER_DATA: {settings.guilder_data} cannot be a folder here: {error.strerror}"
        ) from error
    server = EmbeddedPostgres(settings.guilder_data / "postgres", progress=progress)
    found = server.start()
    note = settings.guilder_data / RUNNING
    _write_note(note, found)
    try:
        yield with_endpoints(settings, owner=found.owner_url, app=found.app_url, doctor=found.doctor_url), server
    finally:
        note.unlink(missing_ok=True)
        server.stop()


def _write_note(note: Path, found: Endpoints) -> None:
    note.unlink(missing_ok=True)
    # It holds passwords: nobody else may read it, from its first byte on.
    with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(
            {"pid": os.getpid(), "owner": found.owner_url, "app": found.app_url, "doctor": found.doctor_url}, file
        )


def _running(folder: Path) -> dict[str, str] | None:
    try:
        note = json.loads((folder / RUNNING).read_text())
        os.kill(note.pop("pid"), 0)
    except (OSError, ValueError, KeyError):
        return None
    return {str(name): str(url) for name, url in note.items()}
